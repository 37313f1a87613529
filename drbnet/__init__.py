"""Defocus deblurring networks: training, evaluation, deblurring."""

"""The tables and figures of the paper as commands: ``python -m pipelines.paper table2 ... table8 fig1 fig2 fig4``.

L. Ruan, B. Chen, J. Li, M. Lam, "Learning to Deblur using Light Field Generated and Real Defocus Images", CVPR 2022,
doi:10.1109/CVPR52688.2022.01582. ``tables`` has its numbers and what stands behind each cell, ``plan`` the user's
data and budget, ``cells`` trains and scores what is missing, ``results`` and ``rendering`` put ours beside the paper's.
"""

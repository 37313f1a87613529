"""``python -m drbnet.serve``: a page on which photographs are deblurred, for this machine alone."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from typing import NoReturn

import click

from drbnet.choices import Autocast, Device
from drbnet.terminal import (
    SETTINGS,
    autocast_option,
    debug_option,
    device_option,
    in_bytes,
    memory_option,
    threads_option,
    weights_option,
)
from lfsynth.command_line import run as run_command
from lfsynth.errors import InputError

PORT = 8000
EXAMPLES = """\b
Examples:
  python -m drbnet.serve --weights drbnet.pth
  python -m drbnet.serve --weights drbnet.pth --port 0 --megapixels 100
  python -m drbnet.serve --weights drbnet.pth --host 0.0.0.0 --name lab.example.org
"""


@click.command(
    "drbnet.serve",
    epilog=EXAMPLES,
    context_settings=SETTINGS,
)
@weights_option("Trained weights: .safetensors, .pth, or a checkpoint, of a network for single pictures.")
@click.option(
    "--host",
    default="127.0.0.1",
    help="Address to listen at; 0.0.0.0: all, so that others can use it, without a password.  [default: 127.0.0.1]",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT, help=f"0: any that is free.  [default: {PORT}]"
)
@click.option(
    "--name",
    "names",
    multiple=True,
    help="Name by which others reach this machine, where it is not its host name; may be repeated.",
)
@click.option("--open", "shown", is_flag=True, help="Open the page in the browser.")
@click.option(
    "--megapixels", type=click.FloatRange(0.01, 500), default=64.0, help="Of a photograph.  [default: 64]"
)
@click.option(
    "--megabytes", type=click.FloatRange(0.01, 4000), default=256.0, help="Of its file.  [default: 256]"
)
@click.option(
    "--queue",
    type=click.IntRange(1, 200),
    default=16,
    help="Photographs that are worked on or wait; more are refused.  [default: 16]",
)
@device_option
@autocast_option
@threads_option
@memory_option("For a tile of the picture.  [default: half of what is free, on the CPU at most 1.5]")
@debug_option
def cli(
    weights: Path,
    host: str,
    port: int,
    names: tuple[str, ...],
    shown: bool,
    megapixels: float,
    megabytes: float,
    queue: int,
    device: str,
    autocast: str,
    threads: int | None,
    memory: float | None,
    debug: bool,
) -> None:
    """Serve a page on which photographs are deblurred.

    Drop a JPEG, PNG or TIFF picture on it, compare, and download the result in the same format with its bits, EXIF and
    colour profile. One is worked on at a time, others wait. Nothing is kept. Ctrl+C ends it.
    """
    try:
        from drbnet.server.app import Limits, Service
        from drbnet.server.running import Server
        from drbnet.server.stepwise import Stepwise
    except ModuleNotFoundError as error:
        if error.name not in ("uvicorn", "starlette"):
            raise
        raise InputError("drbnet.serve", f"{error.name} is missing", 'pip install "lfsynth[serve]"') from None
    import torch

    from drbnet.deblurring import Deblurrer

    if threads is not None:
        torch.set_num_threads(threads)
    deblurrer = Deblurrer.load(
        weights,
        device=Device(device),
        autocast=Autocast(autocast),
        memory=in_bytes(memory),
    )
    if deblurrer.architecture.dual:
        raise InputError(
            weights,
            "is of a network that needs a dual-pixel sensor's views",
            "take one for single pictures, or drbnet.deblur",
        )
    listening = _listening(host, port)
    limits = Limits(megapixels=megapixels, megabytes=megabytes, queue=queue)
    local = _is_loopback(listening)
    network = f"{deblurrer.architecture} · {deblurrer.device.type.upper()}"
    facts = {"megapixels": megapixels, "megabytes": megabytes, "network": network, "local": local}
    service = Service(Stepwise(deblurrer), limits)
    server = Server(service, facts=facts, names=(*names, host))
    address = _address(listening)
    click.echo(f"Deblur photographs at {address} ({network}); Ctrl+C ends it")
    if not local:
        click.echo("Whoever can reach this machine can use it, without a password.", err=True)
    if shown:
        import webbrowser

        webbrowser.open(address)  # the connection waits until we accept it
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        return
    finally:
        listening.close()


def _listening(host: str, port: int) -> socket.socket:
    """A socket that takes connections from now on."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    except OSError as error:
        raise InputError("--host", f"there is no {host} ({error.strerror})", "take 127.0.0.1") from None
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        cure = "take another --port, 0 for any, or another --host"
        raise InputError(f"{host}:{port}", f"it cannot be listened at ({error.strerror})", cure) from None


def _is_loopback(listening: socket.socket) -> bool:
    return ipaddress.ip_address(listening.getsockname()[0]).is_loopback


def _address(listening: socket.socket) -> str:
    """For the browser of whoever reads it here."""
    host, port = listening.getsockname()[:2]
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        return f"http://{socket.gethostname()}:{port}/"
    return f"http://{f'[{host}]' if address.version == 6 else host}:{port}/"


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line, see `lfsynth.command_line`."""
    run_command(cli, "drbnet.serve", arguments)


if __name__ == "__main__":
    main()

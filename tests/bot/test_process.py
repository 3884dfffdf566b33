"""`python -m bot` as systemd runs it: exit codes, kill -9, the watchdog's socket."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.__main__ import main
from tests.bot.rig import OWNER, TOKEN, VIEWER, House
from tests.waiting import until

REPOSITORY = Path(__file__).parent.parent.parent
USERS: list[dict[str, Any]] = [
    {"id": VIEWER, "role": "viewer", "language": "en", "name": "Vera"},
    {"id": OWNER, "role": "owner"},
]


def configured(directory: Path, base: str = "http://127.0.0.1:9", **telegram: Any) -> Path:
    values = {"api_base": base, "users": USERS, "messages_per_minute": 100_000, "burst": 100_000, **telegram}
    overlay = directory / "overlay.yaml"
    overlay.write_text(yaml.safe_dump({"data_dir": str(directory), "telegram": values}), encoding="utf-8")
    return overlay


async def start(overlay: Path, *, token: str = TOKEN, **environment: str) -> Process:
    arguments = ("-m", "bot", "--config", str(REPOSITORY / "configs"), "--overlay", str(overlay))
    inherited = {name: value for name, value in os.environ.items() if name not in ("CREDENTIALS_DIRECTORY",)}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=REPOSITORY,
        env={**inherited, "TELEGRAM_BOT_TOKEN": token, **environment},
        stdout=PIPE,
        stderr=PIPE,
    )


async def ended(process: Process) -> tuple[int, str]:
    _, said = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


BAD = [  # why                        telegram                                   token       what the line says
    ("nobody is allowed", {"users": []}, TOKEN, "telegram.users is empty"),
    ("an unknown key", {"user": []}, TOKEN, "user"),
    ("an unknown role", {"users": [{"id": 1, "role": "boss"}]}, TOKEN, "role must be viewer, trader or owner"),
    ("a bad time", {"report_times": ["25:00"]}, TOKEN, "report_times"),
    ("an outage of one hiccup", {"silent_minutes": 1}, TOKEN, "silent_minutes must be at least 2"),
    ("no token", {}, "", "TELEGRAM_BOT_TOKEN is missing"),
    ("half a token", {}, "just-a-secret", "TELEGRAM_BOT_TOKEN is malformed"),
]


@pytest.mark.parametrize("why, telegram, token, line", BAD, ids=[case[0] for case in BAD])
def test_what_cannot_work_ends_with_one_line_and_2(tmp_path, monkeypatch, capsys, why, telegram, token, line):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", token)
    overlay = configured(tmp_path, **telegram)
    assert main(["--config", str(REPOSITORY / "configs"), "--overlay", str(overlay)]) == 2
    said = capsys.readouterr().err
    assert line in said and len(said.strip().splitlines()) == 1
    assert "overlay.yaml" in said or "environment" in said, "the line names file or environment"
    assert "just-a-secret" not in said


async def test_a_refused_token_ends_with_2(house: House):
    code, said = await ended(await start(configured(house.directory, house.base), token="1:wrong-secret"))
    assert code == 2
    assert "Telegram refuses the token in TELEGRAM_BOT_TOKEN (401)" in said
    assert "wrong-secret" not in said


async def test_the_token_may_come_as_a_credential(house: House):
    credentials = house.directory / "credentials"
    credentials.mkdir()
    (credentials / "TELEGRAM_BOT_TOKEN").write_text(TOKEN + "\n", encoding="utf-8")
    process = await start(configured(house.directory, house.base), token="", CREDENTIALS_DIRECTORY=str(credentials))
    await house.phone.says(VIEWER, "/help")
    await house.phone.finds(VIEWER, "Look", deadline_s=60)
    process.send_signal(signal.SIGTERM)
    code, _ = await ended(process)
    assert code == 0


@pytest.mark.timeout(300)
async def test_killed_again_and_again_it_answers_every_update(house: House):
    """kill -9 at moments nobody chose: eight commands, eight answers, and none of them twice."""
    phone, overlay = house.phone, configured(house.directory, house.base)
    async with house.engine():
        for round_ in range(2):
            process = await start(overlay)
            seen = len(await phone.chat(VIEWER))
            for number in range(4):
                await phone.says(VIEWER, f"/unknown{round_}x{number}")
            await until(partial(_grown, phone, seen), 60)
            process.kill()
            await ended(process)
        process = await start(overlay)
        for round_ in range(2):
            for number in range(4):
                await phone.finds(VIEWER, f"/unknown{round_}x{number}\\.", deadline_s=60)
        process.send_signal(signal.SIGTERM)
        assert (await ended(process))[0] == 0
    answers = [m.text for m in await phone.chat(VIEWER) if "I do not know" in m.text]
    assert len(set(answers)) == 8
    # A send whose answer the kill cut off is sent again: at most one per kill.
    assert len(answers) <= 8 + 2


async def _grown(phone, seen: int) -> bool:
    return len(await phone.chat(VIEWER)) > seen


async def test_systemd_hears_ready_progress_and_stopping(house: House):
    address = house.directory / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.setblocking(False)
        process = await start(configured(house.directory, house.base), NOTIFY_SOCKET=str(address))
        loop = asyncio.get_running_loop()
        heard = [await asyncio.wait_for(loop.sock_recv(systemd, 100), 60)]
        for number in range(2):
            await house.phone.says(VIEWER, f"/help{number}")
            await house.phone.finds(VIEWER, f"/help{number}")
            heard.append(await asyncio.wait_for(loop.sock_recv(systemd, 100), 30))
        process.send_signal(signal.SIGTERM)
        code, said = await ended(process)
        while heard[-1] != b"STOPPING=1":
            heard.append(await asyncio.wait_for(loop.sock_recv(systemd, 100), 5))
    assert code == 0, said
    assert heard[0] == b"READY=1" and b"WATCHDOG=1" in heard

"""The load test on a tiny network: what a service promises under load holds, whatever the machine."""

import io
import re
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.load import Body, seconds_at_rate, send_all, serve
from benchmarks.serve import check_end, check_hostile, measure


@pytest.mark.slow
def test_under_load(colours: Path) -> None:
    bodies = []
    for shade in range(600):
        file = io.BytesIO()
        Image.effect_noise((200, 200), shade % 100).convert("RGB").save(file, "JPEG")
        bodies.append(Body(file.getvalue(), "image/jpeg"))
    with serve("-m", "cnncli", "serve", "-m", str(colours), "--port", "0") as server:
        reference = send_all(server.address, bodies)
        memory = server.memory()
        assert check_hostile(server, bodies, reference) == (
            "500 broken and hostile requests among as many good ones: 0 without an answer or with status 5xx; "
            "500 of 500 good ones were answered as without them."
        )
        for _ in range(5):
            assert measure(server, bodies).rate > 0
        assert len(seconds_at_rate(server.address, bodies[:100], 50)) == 100
        assert server.memory() < memory + 60_000_000, "of 4,600 requests nothing is kept"
        end = check_end(server, bodies * 20)
    answered, received = re.findall(r"([\d,]+)(?= requests answered|\.$)", end)
    assert "exit code 0" in end
    assert answered == received
    assert answered != "0"

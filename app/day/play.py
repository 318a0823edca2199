"""The whole day, step by step, with a progress display; any step that fails is named."""

import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from app.config import Settings
from app.day import evaluation, evidence, money, supermarket, tender
from app.day.stage import Stage
from app.demo.founding import Passes

STEPS: list[Callable[[Stage], None]] = [
    supermarket.publish,
    tender.publish,
    supermarket.contribute_chance,
    supermarket.register,
    tender.register,
    money.pay,
    tender.submit,
    supermarket.draw,
    tender.unlock,
    tender.close,
    evaluation.draw_experts,
    evaluation.check_in,
    evaluation.meet,
    evaluation.score,
    evaluation.sign,
    supermarket.notice,
    evidence.watch,
    tender.award,
    money.home,
    money.reconcile,
    evidence.bundles,
]


def on(settings: Settings, given: Passes, folder: Path, console: Console, pace: float = 1) -> Stage:
    """Play the day on a running demo centre; raises StepFailed with the step that did not come out.

    pace: above 1 on a slow or busy machine; periods are so many times longer.
    """
    began = time.monotonic()
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console
    ) as bar:
        task = bar.add_task("一天 a day", total=len(STEPS))

        def say(words: str) -> None:
            bar.update(task, description=words[:60])
            if not console.is_terminal:
                console.print(f"{time.monotonic() - began:6.1f} s  {words}")

        stage = Stage(settings, given, folder, say, pace)
        for step in STEPS:
            step(stage)
            bar.advance(task)
    took = time.monotonic() - began
    console.print(f"一天结束，全部核验通过 the day is over and everything was verified ({took:.0f} s)")
    return stage

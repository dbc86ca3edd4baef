"""What train.py says while it trains: a line for each epoch, and how far the epoch is."""

import math
import shutil
import time
from typing import TextIO


def short_time(seconds: float) -> str:
    """Seconds as 1:05, or as 2:00:05 from an hour on."""
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Display:
    """Prints the progress of a run: on a terminal in one line that changes, elsewhere as a
    line every ten seconds.
    """

    def __init__(self, out: TextIO, steps: int, end: int, batch: int) -> None:
        """steps are those of an epoch, end those of the run, batch is images of a step."""
        self.out, self.steps, self.end, self.batch = out, steps, end, batch
        self.terminal = out.isatty()
        self.shown = False  # whether the last line of the terminal changes
        self.begin = self.last = time.monotonic()
        self.done = 0  # steps since begin
        self.loss = math.nan

    def columns(self) -> int:
        """The width of the terminal, 0 where there is none."""
        return shutil.get_terminal_size().columns if self.terminal else 0

    def start(self) -> None:
        """Begins an epoch."""
        self.begin = self.last = time.monotonic()
        self.done, self.loss = 0, math.nan

    def left(self, total: int, since: float) -> str:
        """The time that is left after so many steps of the run."""
        each = since / max(self.done, 1)
        return f"{short_time((self.end - total) * each)} left"

    def step(self, epoch: int, step: int, total: int, loss: float, wait: float) -> None:
        """Notes a step. epoch counts from 1, step and total are those taken; wait is how
        many seconds of the epoch its steps waited for images.
        """
        self.done += 1
        self.loss = loss if math.isnan(self.loss) else self.loss
        self.loss += 0.05 * (loss - self.loss)
        now = time.monotonic()
        if now - self.last < (0.1 if self.terminal else 10):
            return
        self.last = now
        since = now - self.begin
        parts = [
            f"epoch {epoch}/{math.ceil(self.end / self.steps)}",
            f"step {step}/{self.steps}",
            f"loss {self.loss:.4f}",
            f"{self.done * self.batch / since:.0f} images/s",
            self.left(total, since),
            *waiting(wait, since),
        ]
        if not self.terminal:
            self.print("  ".join(parts))
            return
        columns = self.columns() - 1  # some terminals break the line after the last one
        while len(parts) > 2 and len("  ".join(parts)) > columns:
            # What is left and the epoch are most important.
            parts.pop(-2 if len(parts) < 6 else -1)
        print(
            f"\r\x1b[K{'  '.join(parts)[:columns]}", end="", file=self.out, flush=True
        )
        self.shown = True

    def epoch(
        self, row: list[float], total: int, images: int, rest: bool = True
    ) -> None:
        """Prints the row of results.csv of an epoch that trained on so many images."""
        number, _, loss, accuracy, val_loss, val_accuracy, seconds, wait = row
        parts = [f"epoch {int(number):2}  loss {loss:.4f}, {100 * accuracy:.2f} %"]
        if not math.isnan(val_accuracy):
            parts.append(f"validation {val_loss:.4f}, {100 * val_accuracy:.2f} %")
        if images > 0 and seconds > 0:
            parts.append(f"{seconds:.1f} s, {images / seconds:.0f} images/s")
        parts += waiting(wait, seconds)
        if rest and total < self.end and self.done > 0:
            parts.append(self.left(total, time.monotonic() - self.begin))
        lines, columns = [parts[0]], self.columns()
        for part in parts[1:]:
            if columns and len(lines[-1]) + 2 + len(part) > columns:
                lines.append("")
            lines[-1] += "  " + part
        for line in lines:
            self.print(line)

    def print(self, text: str) -> None:
        """Prints a line."""
        if self.shown:
            print("\r\x1b[K", end="", file=self.out)
            self.shown = False
        print(text, file=self.out, flush=True)


def waiting(wait: float, seconds: float) -> list[str]:
    """Says that steps waited for images, where that is much."""
    if wait > 0.5 and wait > 0.05 * seconds:
        return [f"{100 * wait / seconds:.0f} % waiting for images"]
    return []

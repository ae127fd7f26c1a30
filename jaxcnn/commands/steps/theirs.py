"""PyTorch's contender: torchvision's net, or a twin of ours, trained as is usual there. It needs the extra [torch]."""

import time
from typing import Any

import torch
from torch import nn
from torch.fx.experimental.optimization import fuse

from jaxcnn.commands.steps.twins import make_twin
from jaxcnn.commands.steps.work import AUX_WEIGHT, LEARNING_RATE, MOMENTUM, Work


class Theirs:
    """Channels last; on a GPU if there is one; bfloat16 by autocast, as in PyTorch's documentation."""

    def __init__(self, work: Work, *, compiled: bool, folded: bool = False) -> None:
        self.work = work
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.manual_seed(0)
        net = make_twin(work).train(work.train)
        net = (fuse(net) if folded else net).to(self.device, memory_format=torch.channels_last)
        self.optimizer = torch.optim.SGD(net.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
        self.net = torch.compile(net) if compiled else net
        image = torch.randn(work.batch_size, work.channels, work.image_size, work.image_size, device=self.device)
        self.image = image.contiguous(memory_format=torch.channels_last)
        self.label = torch.randint(work.num_classes, (work.batch_size,), device=self.device)
        began = time.perf_counter()
        self._timed(1)
        self.compile_s = time.perf_counter() - began
        self.step_s = self._timed(2)

    def take(self, seconds: float) -> int:
        """See `Contender`."""
        steps = max(1, round(seconds / self.step_s))
        self.step_s = self._timed(steps)
        return steps * self.work.batch_size

    def facts(self) -> dict[str, object]:
        """See `Contender`."""
        gpu = self.device == "cuda"
        return {
            "versions": {"torch": torch.__version__},
            "device": torch.cuda.get_device_name() if gpu else "cpu",
            "compile_s": self.compile_s,
            "memory": {"device_peak": torch.cuda.max_memory_allocated() if gpu else None},
        }

    def _timed(self, steps: int) -> float:
        """Returns the seconds per step, of this number of steps in sequence."""
        began = time.perf_counter()
        for _ in range(steps):
            if self.work.train:
                self._train()
            else:
                self._infer()
        if self.device == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - began) / steps

    def _train(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        with self._precision():
            loss = _loss(self.net(self.image), self.label)
        loss.backward()
        self.optimizer.step()

    def _infer(self) -> None:
        with torch.inference_mode(), self._precision():
            self.net(self.image)

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device, torch.bfloat16, enabled=self.work.precision == "bfloat16")


def _loss(output: Any, label: torch.Tensor) -> torch.Tensor:
    """Returns the mean loss, with that of auxiliary heads, which torchvision's nets return after the logits."""
    logits, *heads = (output,) if isinstance(output, torch.Tensor) else [part for part in output if part is not None]
    loss = nn.functional.cross_entropy(logits, label)
    return loss + AUX_WEIGHT * sum(nn.functional.cross_entropy(head, label) for head in heads)

"""CODI's loss (arXiv 2502.21074, section 3): one model teaches itself what its chain leads to.

B rows, C columns of the student, D of the teacher, L layers, H width, N and M supervised tokens.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from icot_tui.models.supervised import Loss, SupervisedLM, sum_nll

if TYPE_CHECKING:
    from icot_tui.methods.codi.config import CodiConfig
    from icot_tui.models.wrapped import WrappedLM

DISTANCES = {"smooth_l1": F.smooth_l1_loss, "l2": F.mse_loss}


class Lesson(NamedTuple):
    """What the teacher reads, and where both are compared.

    ids         [B, D] whole examples, padded on the right
    states      [M] indices into the flattened [B * D] positions that predict
    targets     [M] the tokens that follow; -100 is ignored
    teacher_at  [B] the teacher's column just before the answer
    student_at  [B] the student's
    rows        how many rows count: all, or none of a batch that only fills up
    """

    ids: Tensor
    states: Tensor
    targets: Tensor
    teacher_at: Tensor
    student_at: Tensor
    rows: int


class SelfDistillation(SupervisedLM):
    """A language model with thoughts that learns from itself with the chain of thought written."""

    def __init__(self, lm: "WrappedLM", config: "CodiConfig") -> None:
        super().__init__(lm)
        self.mixes_rows = True  # means over tokens, and a deviation over rows
        self.config = config
        self._plain = lm.lm

    def forward(
        self,
        ids: Tensor,
        positions: Tensor | None,
        states: Tensor,
        targets: Tensor,
        told: dict[str, Any] | None = None,
        lesson: Lesson | None = None,
    ) -> Loss:
        """The three losses with their weights, times the rows; see `SupervisedLM.forward`."""
        assert lesson is not None
        answer, distance, chain = self.losses(ids, states, targets, told or {}, lesson)
        return {
            "student": answer * lesson.rows,
            "hidden_states": self.config.distillation_weight * distance * lesson.rows,
            "teacher": self.config.teacher_weight * chain * lesson.rows,
        }

    def losses(
        self, ids: Tensor, states: Tensor, targets: Tensor, told: dict[str, Any], lesson: Lesson
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The student's and the teacher's nats a token, and between them their states' distance.

        Distances are of the states just before the answer, in the embedding and every layer: the
        mean over rows and width, divided by the standard deviation of the teacher's if so wished.
        """
        student = self.lm.base_model(ids, use_cache=False, output_hidden_states=True, **told)
        teacher = self._plain.base_model(lesson.ids, use_cache=False, output_hidden_states=True)
        pairs = zip(student.hidden_states, teacher.hidden_states, strict=True)
        rows = torch.arange(len(ids), device=ids.device)
        distances = []
        for own, taught in pairs:
            # The student's last pass ends in the last column, but begins behind the first.
            mine = own[rows, lesson.student_at + own.shape[1] - ids.shape[1]]
            target = taught[rows, lesson.teacher_at].detach()
            distance = DISTANCES[self.config.distance](mine, target)
            distances.append(distance / target.std() if self.config.divide_by_std else distance)
        return (
            self._mean_nll(student[0], states, targets),
            torch.stack(distances).mean(),
            self._mean_nll(teacher[0], lesson.states, lesson.targets),
        )

    def _mean_nll(self, hidden: Tensor, states: Tensor, targets: Tensor) -> Tensor:
        count = (targets >= 0).sum().clamp(min=1)
        head = self._plain.get_output_embeddings()
        return sum_nll(head, hidden.flatten(0, 1)[states], targets) / count

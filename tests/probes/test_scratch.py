"""Networks from scratch: they learn easy tasks, weight and mask labels, and repeat bit for bit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from fabnet.errors import InputError
from fabnet.probes.scratch import Architecture, ScratchNet, build_network, fit_scratch
from fabnet.probes.tasks.losses import BinaryCrossEntropy, CrossEntropy, SquaredError

NAN = float("nan")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Run on one thread: steps this small gain nothing from a second one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def squares(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Dim 32-px views with one bright square of 8 px, and its centre in [-1, 1] coordinates."""
    random = np.random.default_rng(seed)
    views = random.integers(0, 80, (count, 32, 32, 3), dtype=np.uint8)
    corners = random.integers(0, 25, (count, 2))
    for view, (x, y) in zip(views, corners, strict=True):
        view[y : y + 8, x : x + 8] = 250
    return views, (corners + 4) / 16 - 1


def fit(architecture: Architecture = "fabnet", epochs: int = 12, seed: int = 0) -> tuple[ScratchNet, np.ndarray]:
    views, centres = squares(160)
    net = fit_scratch(
        architecture, views, centres, loss=SquaredError(), val=np.arange(160) >= 128, epochs=epochs, batch_size=16,
        learning_rate=1e-3, seed=seed, device="cpu", precision="fp32",
    )  # fmt: skip
    return net, net.predict(views)


def test_it_finds_points_and_does_not_mirror_them() -> None:
    net, _ = fit(epochs=25)
    views, centres = squares(64, seed=1)
    errors = np.abs(net.predict(views) - centres)
    assert errors[:, 0].mean() < 0.12
    assert errors.mean() < 0.12
    assert np.abs(centres).mean() > 0.35  # the error of always predicting the middle


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["vgg11", "alexnet"])
def test_the_classic_networks_learn_a_small_set(architecture: Architecture) -> None:
    random = np.random.default_rng(0)
    upper = (np.arange(40) % 2)[:, None].astype(float)
    views = random.integers(0, 80, (40, 32, 32, 3), dtype=np.uint8)
    for view, is_upper in zip(views, upper[:, 0] > 0, strict=True):
        view[:16] += np.uint8(150 * is_upper)
        view[16:] += np.uint8(150 * (not is_upper))
    net = fit_scratch(
        architecture, views, upper, loss=CrossEntropy(2), val=np.arange(40) >= 32, epochs=9, batch_size=8, device="cpu"
    )
    assert (net.predict(views).argmax(axis=1) == upper[:, 0]).mean() > 0.85


def test_the_networks_have_the_known_sizes() -> None:
    def count(architecture: Architecture) -> int:
        return sum(weight.numel() for weight in build_network(architecture, 64, 8).parameters())

    convolutions = {
        "vgg11": [(3, 64), (64, 128), (128, 256), (256, 256), (256, 512), (512, 512), (512, 512), (512, 512)],
        "alexnet": [(192, 384), (384, 256), (256, 256)],
    }
    head = 4096 * 4096 + 4096 + 4096 * 8 + 8
    nine = {name: sum(9 * a * b + 2 * b for a, b in layers) for name, layers in convolutions.items()}
    assert count("vgg11") == nine["vgg11"] + (512 * 4 + 1) * 4096 + head
    first = 121 * 3 * 64 + 2 * 64 + 25 * 64 * 192 + 2 * 192
    assert count("alexnet") == nine["alexnet"] + first + (256 * 9 + 1) * 4096 + head


def test_at_224_px_the_classic_networks_have_their_usual_sizes() -> None:
    """As torchvision's `vgg11_bn` and `alexnet`, but for the bias that batch-norm replaces in our convolutions."""

    def count(architecture: Architecture) -> int:
        with torch.device("meta"):
            return sum(weight.numel() for weight in build_network(architecture, 224, 1000).parameters())

    assert count("vgg11") == 132_868_840 - 2_752
    assert count("alexnet") == 61_100_840 + 1_152
    with torch.device("meta"):
        for architecture in ("vgg11", "alexnet"):
            network = build_network(architecture, 224, 8)
            assert isinstance(network, torch.nn.Sequential)
            last = network[: [type(module).__name__ for module in network].index("AdaptiveAvgPool2d")]
            grid = last(torch.zeros(2, 3, 224, 224)).shape[-1]
            assert grid == {"vgg11": 7, "alexnet": 6}[architecture]


def test_units_with_missing_labels_are_learned() -> None:
    views, centres = squares(200)
    targets = (centres < 0).astype(float)[:, 1:].repeat(2, axis=1)  # y only: mirroring would change x
    targets[:, 1] = 1 - targets[:, 1]
    targets[::2, 0] = NAN
    targets[1::3, 1] = NAN
    targets[7] = NAN
    net = fit_scratch(
        "fabnet", views, targets, loss=BinaryCrossEntropy(), val=np.arange(200) >= 160, epochs=15, batch_size=16,
        learning_rate=1e-3, device="cpu",
    )  # fmt: skip
    seen, lower = net.predict(squares(64, seed=1)[0]), squares(64, seed=1)[1][:, 1] < 0
    assert ((seen[:, 0] > 0) == lower).mean() > 0.85
    assert ((seen[:, 1] > 0) == ~lower).mean() > 0.85


@pytest.mark.parametrize("is_mirrorable", [True, False])
def test_left_and_right_are_distinguished_unless_mirrored(is_mirrorable: bool) -> None:
    views, centres = squares(200)
    net = fit_scratch(
        "fabnet", views, (centres[:, :1] > 0).astype(float), loss=CrossEntropy(2), val=np.arange(200) >= 160,
        is_mirrorable=is_mirrorable, epochs=10, batch_size=16, learning_rate=1e-3, device="cpu",
    )  # fmt: skip
    test_views, test_centres = squares(64, seed=1)
    logits, is_right = net.predict(test_views), test_centres[:, 0] > 0
    probability = 1 / (1 + np.exp((logits[:, 1] - logits[:, 0]) * np.where(is_right, -1, 1)))  # of the true side
    assert (probability.mean() < 0.7) if is_mirrorable else (probability.mean() > 0.85)


def test_a_rare_class_is_found() -> None:
    views, centres = squares(400)
    keep = (centres[:, 1] < 0) | (np.arange(400) % 20 == 0)
    views, lower = views[keep], (centres[keep, 1:] >= 0).astype(float)
    assert lower.mean() < 0.07
    lower[:3] = NAN
    val = np.arange(len(views)) % 4 == 0
    net = fit_scratch(
        "fabnet",
        views,
        lower,
        loss=CrossEntropy(2),
        val=val,
        epochs=15,
        batch_size=16,
        learning_rate=1e-3,
        device="cpu",
    )
    test_views, test_centres = squares(64, seed=1)
    is_lower, said = test_centres[:, 1] >= 0.1, net.predict(test_views).argmax(axis=1) == 1
    assert said[is_lower].mean() > 0.5
    assert said[test_centres[:, 1] < -0.1].mean() < 0.2


def test_the_same_seed_gives_the_same_network() -> None:
    state = torch.get_rng_state()
    (first, a), (_, b), (_, other) = fit(epochs=2), fit(epochs=2), fit(epochs=2, seed=1)
    assert np.array_equal(a, b)
    assert not np.allclose(a, other)
    assert torch.equal(state, torch.get_rng_state())
    assert len(first.val_losses) == 2


def test_the_epoch_with_the_lowest_validation_loss_is_kept() -> None:
    net, predicted = fit(epochs=6)
    _, centres = squares(160)
    assert net.epoch == 1 + int(np.argmin(net.val_losses))
    assert np.square(predicted - centres)[128:].mean() == pytest.approx(min(net.val_losses), rel=1e-4)


def test_losses_by_hand() -> None:
    outputs = torch.tensor([[0.5, 2.0], [1.0, -1.0]])
    points, known = torch.tensor([[0.0, 9.0], [3.0, -1.5]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    assert SquaredError().batch_mean(outputs, points, known).item() == pytest.approx((0.25 + 4 + 0.25) / 3)
    assert SquaredError().batch_mean(outputs, points, torch.zeros(2, 2)).item() == 0

    numbers, weights = torch.tensor([[1.0], [0.0]]), torch.tensor([[3.0], [0.5]])
    expected = (3 * np.log(1 + np.exp(0.5 - 2)) + 0.5 * np.log(1 + np.exp(-1 - 1))) / 3.5
    assert CrossEntropy(2).batch_mean(outputs, numbers, weights).item() == pytest.approx(expected)

    units, weights = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[4.0, 2.0], [0.0, 8.0]])
    expected = (4 * np.log(1 + np.exp(-0.5)) + 2 * np.log(1 + np.exp(2.0)) + 8 * np.log(1 + np.exp(1.0))) / 14
    assert BinaryCrossEntropy().batch_mean(outputs, units, weights).item() == pytest.approx(expected)


def test_unlabelled_faces_have_no_influence() -> None:
    views, centres = squares(80)
    val = np.arange(80) >= 64
    with_gaps = centres.copy()
    with_gaps[3:9] = NAN
    has = np.isfinite(with_gaps[:, 0])

    def predicted(views: np.ndarray, targets: np.ndarray, val: np.ndarray) -> np.ndarray:
        net = fit_scratch("fabnet", views, targets, loss=SquaredError(), val=val, epochs=2, batch_size=16, device="cpu")
        return net.predict(squares(5, seed=1)[0])

    # Unlabelled faces are in no batch, so the batches depend only on the order of the labelled ones.
    order = np.concatenate([np.flatnonzero(has), np.flatnonzero(~has)])
    first = predicted(views[order], with_gaps[order], val[order])
    np.testing.assert_allclose(first, predicted(views[has], centres[has], val[has]), atol=1e-6)


def test_wrong_inputs_are_reported() -> None:
    views, centres = squares(8)
    val = np.arange(8) >= 6
    with pytest.raises(InputError, match=r"expected views \(N, S, S, 3\) uint8 RGB; got \(8, 32, 32, 3\) float64"):
        fit_scratch("fabnet", views / 255, centres, loss=SquaredError(), val=val)
    with pytest.raises(InputError, match="got 8 views, 7 targets and 8 in val"):
        fit_scratch("fabnet", views, centres[:7], loss=SquaredError(), val=val)
    with pytest.raises(InputError, match="got 8 and 0"):
        fit_scratch("fabnet", views, centres, loss=SquaredError(), val=np.zeros(8, bool))
    with pytest.raises(InputError, match="image size must be a power of two"):
        build_network("fabnet", 48, 2)
    with pytest.raises(InputError, match="views of 32 px or more; got 16"):
        build_network("vgg11", 16, 2)

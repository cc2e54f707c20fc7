"""The distance between two sets of images, measured on the features of a classifier.

Compare a score only with the score of as many real images that the model has never seen.
"""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

# Of torchmetrics: it would wait for every process, where only the first one measures.
NO_SYNC = {"sync_on_compute": False}


def share(right: Tensor) -> float | None:
    """The share of true values among bool (N,); None of no values."""
    return right.double().mean().item() if len(right) else None


def psnr(pixels: Tensor, originals: Tensor) -> float:
    """Peak signal-to-noise ratio in dB, 10 log10(255^2 / mean squared error), of uint8 pixels."""
    squared_error = (pixels.double() - originals.double()).square().mean()
    return (10 * (255**2 / squared_error).log10()).item()


class _Features(nn.Identity):
    """Let torchmetrics take features that are computed already, instead of images."""

    def __init__(self, d: int):
        super().__init__()
        self.num_features = d


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """Fréchet distance between Gaussians fitted to features (N, d), (M, d) (Heusel et al. 2017)."""
    return next(_frechet_distances(real, [fake]))


def frechet_deviation(real: Tensor, fake: Tensor, labels: Tensor, draws: int = 100) -> float:
    """How much the Fréchet distance differs between sets like fake (M, d): the standard deviation
    over bootstrap sets (Efron 1979), drawn within each class of labels (M,)."""
    generator = torch.Generator().manual_seed(0)
    classes = [(labels == label).nonzero()[:, 0] for label in labels.unique()]
    drawn = lambda own: own[torch.randint(len(own), (len(own),), generator=generator)]
    sets = (fake[torch.cat([drawn(own) for own in classes])] for _ in range(draws))
    return torch.tensor(list(_frechet_distances(real, sets))).std().item()


def _frechet_distances(real: Tensor, fakes: Iterable[Tensor]) -> Iterator[float]:
    from torchmetrics.image.fid import FrechetInceptionDistance

    features = _Features(real.shape[1])
    metric = FrechetInceptionDistance(features, reset_real_features=False, **NO_SYNC)
    metric = metric.set_dtype(torch.float64)
    metric.update(real.double(), real=True)
    for fake in fakes:
        metric.update(fake.double(), real=False)
        yield metric.compute().item()
        metric.reset()


def kernel_distance(real: Tensor, fake: Tensor, seed: int = 0) -> float:
    """Kernel (maximum mean discrepancy) distance of features, mean over 100 random subsets of up to
    1,000 (Bińkowski et al. 2018)."""
    from torchmetrics.image.kid import KernelInceptionDistance

    size = min(1000, len(real), len(fake))
    metric = KernelInceptionDistance(_Features(real.shape[1]), subset_size=size, **NO_SYNC)
    metric.update(real, real=True)
    metric.update(fake, real=False)
    with torch.random.fork_rng(devices=[]):  # it draws its subsets from the global generator
        torch.manual_seed(seed)
        return metric.compute()[0].item()


def manifold_scores(real: Tensor, fake: Tensor) -> dict[str, float]:
    """Precision and recall (Kynkäänniemi et al. 2019, eq. 1-3, k = 3) and density and coverage
    (Naeem et al. 2020, eq. 4-5, k = 5) of features (N, d) and (M, d).

    precision: share of samples that lie among real images: do they look real? recall: share of real
    images that lie among samples: is all of the variety there? density, coverage: the same two, not
    fooled by outliers. "Among" means inside a ball around some point that reaches to its k-th
    nearest neighbour in its own set.
    """
    real_radii = _neighbour_distances(real, (3, 5))
    fake_radii = _neighbour_distances(fake, (3,))
    precise, density = [], 0
    recalled = torch.zeros(len(real), dtype=torch.bool)
    nearest = torch.full((len(real),), torch.inf)
    for i in range(0, len(fake), 1000):
        distance = torch.cdist(fake[i : i + 1000], real)  # (1000, N)
        precise.append((distance <= real_radii[0]).any(dim=1))
        density += (distance <= real_radii[1]).sum().item()
        recalled |= (distance <= fake_radii[0][i : i + 1000, None]).any(dim=0)
        nearest = torch.minimum(nearest, distance.min(dim=0).values)
    return {
        "precision": share(torch.cat(precise)),
        "recall": share(recalled),
        "density": density / (5 * len(fake)),
        "coverage": share(nearest <= real_radii[1]),
    }


def nearest_distance(images: Tensor, references: Tensor) -> Tensor:
    """Euclidean distance of each row of images (N, d) to the nearest of references (M, d): (N,)."""
    parts = (torch.cdist(part, references).min(dim=1).values for part in images.split(500))
    return torch.cat(list(parts))


def _neighbour_distances(points: Tensor, ks: tuple[int, ...]) -> list[Tensor]:
    """Distance of each point to its k-th nearest other point, for each k."""
    parts = []
    for part in points.split(1000):
        # The smallest distance of all is that to itself.
        parts.append(torch.cdist(part, points).topk(max(ks) + 1, largest=False, sorted=True).values)
    distances = torch.cat(parts)
    return [distances[:, k] for k in ks]

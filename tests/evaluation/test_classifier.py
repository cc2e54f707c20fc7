import pytest
import torch

from ldm_core.config import ClassifierConfig, TrainingConfig
from ldm_core.data.datasets import LabelledImages
from ldm_core.evaluation.classifier import Classifier, load_classifier
from ldm_core.training.loop import train
from ldm_core.training.stages import ClassifierStage, Materials

from ..conftest import SMALL

CONFIG = ClassifierConfig(class_names=("left", "right"), width=8, d_features=16)


def halves(count: int) -> LabelledImages:
    """Pictures that are bright on the left or on the right."""
    labels = torch.arange(count) % 2
    pixels = torch.randint(0, 60, (count, 28, 28), generator=torch.Generator().manual_seed(0))
    pixels[labels == 0, :, :14] += 150
    pixels[labels == 1, :, 14:] += 150
    return LabelledImages(pixels.to(torch.uint8), labels, CONFIG.class_names)


def trained(steps: int, disturbance: int = 0) -> ClassifierStage:
    """disturbance: seeds the global generator, from which nn.Dropout would draw."""
    config = TrainingConfig(classifier_batch=16)
    read_vae = lambda: pytest.fail("a classifier needs no VAE")
    device = torch.device("cpu")
    stage = ClassifierStage(Materials(halves(64), halves(64), SMALL, config, device, read_vae))
    stage.prepare()
    learner = stage.learner()
    torch.manual_seed(disturbance)
    stage.losses = [step.loss for step in train(learner, lambda done: done / steps)]
    return stage


def test_learns_what_is_easy_and_comes_back_from_its_file(tmp_path):
    stage = trained(steps=100)
    assert stage.losses[-1] < 0.5 * stage.losses[0]
    assert stage.finish(100) == {"test_accuracy": 1.0}
    stage.save(tmp_path / "classifier.safetensors", {})
    loaded = load_classifier(tmp_path / "classifier.safetensors")
    data = halves(64)
    features, predicted = loaded.judge(data.pixels, batch=10)
    assert features.shape == (64, 64)
    assert torch.equal(predicted, data.labels)


def test_judges_each_image_by_itself():
    classifier = Classifier(CONFIG).eval()
    pixels = halves(6).pixels
    together = classifier.judge(pixels)[0]
    alone = torch.cat([classifier.judge(p[None])[0] for p in pixels])
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=1e-5)


def test_training_draws_depend_on_seed_and_step_alone():
    one, other = (trained(steps=3, disturbance=i).classifier.head[-1].weight for i in (1, 2))
    assert torch.equal(one, other)

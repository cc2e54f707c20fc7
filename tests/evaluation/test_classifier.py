import torch

from ldm_core.config import ClassifierConfig, TrainingConfig
from ldm_core.data.datasets import LabelledImages
from ldm_core.evaluation.classifier import Classifier, load_classifier
from ldm_core.files.checkpoint import save_module
from ldm_core.training.budget import Budget
from ldm_core.training.classifier import train_classifier

CONFIG = ClassifierConfig(class_names=("left", "right"), width=8, d_features=16)


def halves(count: int) -> LabelledImages:
    """Pictures that are bright on the left or on the right."""
    labels = torch.arange(count) % 2
    pixels = torch.randint(0, 60, (count, 28, 28), generator=torch.Generator().manual_seed(0))
    pixels[labels == 0, :, :14] += 150
    pixels[labels == 1, :, 14:] += 150
    return LabelledImages(pixels.to(torch.uint8), labels, CONFIG.class_names)


def test_learns_what_is_easy_and_comes_back_from_its_file(tmp_path):
    torch.manual_seed(0)
    data, classifier = halves(64), Classifier(CONFIG)
    config = TrainingConfig(classifier_batch=16)
    result = train_classifier(classifier, data, Budget(steps=120), config, torch.device("cpu"))
    assert result.losses[-1] < 0.5 * result.losses[0]
    save_module(tmp_path / "classifier.safetensors", "classifier", classifier, {})
    loaded = load_classifier(tmp_path / "classifier.safetensors")
    features, predicted = loaded.judge(data.pixels, batch=10)
    assert features.shape == (64, 16)
    assert torch.equal(predicted, data.labels)


def test_judges_each_image_by_itself():
    classifier = Classifier(CONFIG).eval()
    pixels = halves(6).pixels
    together = classifier.judge(pixels)[0]
    alone = torch.cat([classifier.judge(p[None])[0] for p in pixels])
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=1e-5)


def test_training_draws_depend_on_seed_and_step_alone():
    made = []
    for state in (1, 2):
        torch.manual_seed(0)
        classifier = Classifier(CONFIG)
        torch.manual_seed(state)  # of the generator that nn.Dropout would draw from
        config = TrainingConfig(classifier_batch=16)
        train_classifier(classifier, halves(64), Budget(steps=3), config, torch.device("cpu"))
        made.append(classifier.head[-1].weight)
    assert torch.equal(*made)

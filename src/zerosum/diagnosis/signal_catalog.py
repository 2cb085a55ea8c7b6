"""What every signal of an examination says, and where it is sound: the words for `zerosum diagnose --signals`."""

from __future__ import annotations

from collections.abc import Iterator

from zerosum.diagnosis.log_history import LogHistory

SIGNAL_DESCRIPTIONS = {
    "exam/finite": "1 where samples are finite numbers",
    "exam/auc": "how often D scores a training example above a sample; 0.5 where it cannot tell",
    "exam/auc_unseen": "the same for held-out examples",
    "exam/known": "how often D scores a training example above a held-out one; above 0.5 it knows them by heart",
    "exam/separation": "real scores less fake ones, in deviations; 0 at the equilibrium",
    "exam/separation_unseen": "the same of held-out real examples",
    "exam/rt": "mean sign of training examples' scores: ADA's r_t; 1 where D is sure of all",
    "exam/rv": "the same for held-out examples; far below r_t where D overfits",
    "exam/dx": "D(x), the probability given to held-out examples; 0.5 at the equilibrium",
    "exam/dgz": "D(G(z)), the probability given to samples; 0.5 at the equilibrium",
    "exam/inner_spread": "how much samples differ in D's last features, over how much real examples do; about 1",
    "exam/distance": "the energy distance of samples from real examples; near 0 where they are alike as wholes",
    "exam/spread": "the mean distance between two samples over that between two real examples; about 1",
    "exam/echo": "the share of samples with a near copy among the samples; near 0",
    "exam/nearest": "distance to the nearest other sample, over the same among real examples; about 1",
    "exam/copies": "distance to the nearest training example, over a held-out example's; about 1, near 0 for copies",
    "exam/precision": "the share of samples that lie among held-out examples, by rough looks",
    "exam/recall": "the share of held-out examples that lie among samples",
    "exam/coverage": "the share of held-out examples with a sample among their neighbours",
    "exam/coverage_floor": "the same for training examples instead of samples",
    "exam/recall_floor": "recall of training examples instead of samples",
    "exam/kinds": "kinds of examples that are told apart: classes, or clusters of looks",
    "exam/kinds_missing": "kinds that samples hardly show",
    "exam/kinds_js": "how far the shares of kinds are from the data's, in nats; near 0",
    "exam/low": "the lowest number of the samples",
    "exam/high": "the highest number of the samples",
    "exam/saturated": "the share of the samples' numbers beyond 0.99",
    "exam/saturated_real": "the same of real examples",
    "exam/real_mean": "the mean of training examples, as they are on disk",
    "exam/real_variance": "their variance, on average over places",
    "exam/trace/": "where each of 16 samples is, along a direction of its own",
    "exam/middle/": "where the middle of all samples is, along 8 directions",
    "exam/lag": "how far samples of the averaged generator are from the playing one's",
    "exam/spread_average": "the spread of the averaged generator's samples",
    "exam/distance_average": "the energy distance of the averaged generator's samples",
    "exam/coverage_average": "the coverage of the averaged generator's samples",
    "exam/spread_least_class": "the spread within the least varied class over its real examples'; about 1",
    "exam/spread_class": "the same in the usual class",
    "exam/latent": "how far samples move when their latent moves by 1; near 0 where it is ignored",
    "exam/push": "how steep the generator's objective is at its samples",
    "exam/steep": "how steep D is at them; push over steep is near 0 where the objective saturates",
    "exam/class_effect": "how far samples move when their class changes",
    "exam/heard": "how much D's verdict of a held-out example changes with the class it is said to be of; 0 where deaf",
    "exam/fits": "how often D's verdict of a held-out example is higher with its own class than with another",
    "exam/obeyed": "the share of samples whose nearest example is of the class asked for",
    "exam/obeyed_real": "the same for held-out examples: as good as can be told by rough looks",
    "exam/likeness": "how far pictures are from what they are made from, over how far wanted ones are; 0 for copies",
    "exam/l1": "how far pictures are from the truth, over how far what was given is; 1 where nothing is gained",
    "exam/error": "how far pictures are from the truth, over how far the mean picture is; 1 where nothing is known",
    "exam/answer": "how much pictures vary with what they are made from, over how much wanted ones vary; about 1",
    "exam/tone": "how brightness within pictures follows the truth's, or what was given; 1 alike, -1 turned round",
    "exam/tone_between": "the same of pictures' mean brightness",
    "exam/hue": "the same of colour within pictures",
    "exam/hue_between": "the same of pictures' mean colour",
    "exam/grid": "how far the spectrum stands out where grids of 2 and 4 pixels are; about 1 without any",
    "exam/grid_real": "the same of wanted pictures",
    "exam/ripple": "how strong such grids are, as a deviation of pictures in [-1, 1]",
    "exam/ripple_real": "the same of wanted pictures",
    "exam/cycle": "how far pictures are from themselves there and back, over how far the mean is: on the worse way",
    "exam/cycle_noisy": "the same where what is turned back has a little noise over it; far more where it hides much",
    "exam/gradient/": "the norm of a player's gradient in a round",
    "exam/stillest/": "the smallest of its layers' gradients over their weights, as a share of the usual layer's",
    "exam/stride/": "by how much of their size a round changes its weights; some thousandths",
    "exam/penalty": "D's further terms over its score's loss",
    "exam/gap": "the duality gap: what both players could win by a few moves alone; 0 at a Nash equilibrium",
    "exam/gap/": "a player's part of it",
    "judged/spread": "the spread of samples in the eyes of what judges them (lite0), over the reals'; about 1",
    "judged/recall": "recall in its eyes",
    "judged/coverage": "coverage in its eyes",
    "judged/coverage_floor": "the same for training examples instead of samples",
}
"""By name, or by the beginning of several names. Distances are in terms of that between two real examples."""


def describe_signal(name: str) -> str:
    """What a signal says; empty if it is not one of an examination."""
    return SIGNAL_DESCRIPTIONS.get(name) or SIGNAL_DESCRIPTIONS.get(f"{name.rpartition('/')[0]}/", "")


def latest_signals(history: LogHistory) -> Iterator[tuple[str, float, str]]:
    """Each signal of the examinations with its newest value and what it says; what is followed by many numbers is not
    among them.
    """
    for name in [*history.names_with_prefix("exam/"), *history.names_with_prefix("judged/")]:
        if not name.startswith(("exam/trace/", "exam/middle/")):
            yield name, history[name].last, describe_signal(name)

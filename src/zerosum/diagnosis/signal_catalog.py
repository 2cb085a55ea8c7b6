"""What every signal of an examination says, and where it is sound: the words for `zerosum diagnose --signals`."""

from __future__ import annotations

from collections.abc import Iterator

from zerosum.diagnosis.log_history import LogHistory

SIGNAL_DESCRIPTIONS = {
    "monitor/finite": "1 where samples are finite numbers",
    "monitor/auc_train": "how often D scores a training example above a sample; 0.5 where it cannot tell",
    "monitor/auc_held_out": "the same for held-out examples",
    "monitor/auc_train_vs_held_out": "how often D scores a training example above a held-out one; above 0.5 it knows them by heart",
    "monitor/score_separation_train": "real scores less fake ones, in deviations; 0 at the equilibrium",
    "monitor/score_separation_held_out": "the same of held-out real examples",
    "monitor/score_sign_train": "mean sign of training examples' scores: ADA's r_t; 1 where D is sure of all",
    "monitor/score_sign_held_out": "the same for held-out examples; far below r_t where D overfits",
    "monitor/probability_held_out": "D(x), the probability given to held-out examples; 0.5 at the equilibrium",
    "monitor/probability_fake": "D(G(z)), the probability given to samples; 0.5 at the equilibrium",
    "monitor/feature_diversity": "how much samples differ in D's last features, over how much real examples do; about 1",
    "monitor/energy_distance": "the energy distance of samples from real examples; near 0 where they are alike as wholes",
    "monitor/diversity": "the mean distance between two samples over that between two real examples; about 1",
    "monitor/near_duplicates": "the share of samples with a near copy among the samples; near 0",
    "monitor/nn_distance_ratio": "distance to the nearest other sample, over the same among real examples; about 1",
    "monitor/train_nn_distance_ratio": "distance to the nearest training example, over a held-out example's; about 1, near 0 for copies",
    "monitor/precision": "the share of samples that lie among held-out examples, by rough looks",
    "monitor/recall": "the share of held-out examples that lie among samples",
    "monitor/coverage": "the share of held-out examples with a sample among their neighbours",
    "monitor/coverage_floor": "the same for training examples instead of samples",
    "monitor/recall_floor": "recall of training examples instead of samples",
    "monitor/num_modes": "kinds of examples that are told apart: classes, or clusters of looks",
    "monitor/missing_modes": "kinds that samples hardly show",
    "monitor/mode_js_divergence": "how far the shares of kinds are from the data's, in nats; near 0",
    "monitor/sample_min": "the lowest number of the samples",
    "monitor/sample_max": "the highest number of the samples",
    "monitor/saturated_fraction": "the share of the samples' numbers beyond 0.99",
    "monitor/saturated_fraction_real": "the same of real examples",
    "monitor/real_mean": "the mean of training examples, as they are on disk",
    "monitor/real_variance": "their variance, on average over places",
    "monitor/sample_projection/": "where each of 16 samples is, along a direction of its own",
    "monitor/mean_projection/": "where the middle of all samples is, along 8 directions",
    "monitor/ema_lag": "how far samples of the averaged generator are from the playing one's",
    "monitor/ema_diversity": "the spread of the averaged generator's samples",
    "monitor/ema_energy_distance": "the energy distance of the averaged generator's samples",
    "monitor/ema_coverage": "the coverage of the averaged generator's samples",
    "monitor/min_class_diversity": "the spread within the least varied class over its real examples'; about 1",
    "monitor/median_class_diversity": "the same in the usual class",
    "monitor/latent_sensitivity": "how far samples move when their latent moves by 1; near 0 where it is ignored",
    "monitor/loss_input_gradient": "how steep the generator's objective is at its samples",
    "monitor/score_input_gradient": "how steep D is at them; push over steep is near 0 where the objective saturates",
    "monitor/generator_class_sensitivity": "how far samples move when their class changes",
    "monitor/discriminator_class_sensitivity": "how much D's verdict of a held-out example changes with the class it is said to be of; 0 where deaf",
    "monitor/class_ranking_accuracy": "how often D's verdict of a held-out example is higher with its own class than with another",
    "monitor/class_consistency": "the share of samples whose nearest example is of the class asked for",
    "monitor/class_consistency_real": "the same for held-out examples: as good as can be told by rough looks",
    "monitor/change_from_input": "how far pictures are from what they are made from, over how far wanted ones are; 0 for copies",
    "monitor/l1_over_input_l1": "how far pictures are from the truth, over how far what was given is; 1 where nothing is gained",
    "monitor/l1_over_mean_image_l1": "how far pictures are from the truth, over how far the mean picture is; 1 where nothing is known",
    "monitor/input_sensitivity": "how much pictures vary with what they are made from, over how much wanted ones vary; about 1",
    "monitor/brightness_correlation": "how brightness within pictures follows the truth's, or what was given; 1 alike, -1 turned round",
    "monitor/brightness_correlation_between": "the same of pictures' mean brightness",
    "monitor/color_correlation": "the same of colour within pictures",
    "monitor/color_correlation_between": "the same of pictures' mean colour",
    "monitor/checkerboard_peak": "how far the spectrum stands out where grids of 2 and 4 pixels are; about 1 without any",
    "monitor/checkerboard_peak_real": "the same of wanted pictures",
    "monitor/checkerboard_rms": "how strong such grids are, as a deviation of pictures in [-1, 1]",
    "monitor/checkerboard_rms_real": "the same of wanted pictures",
    "monitor/cycle_error": "how far pictures are from themselves there and back, over how far the mean is: on the worse way",
    "monitor/cycle_error_noisy": "the same where what is turned back has a little noise over it; far more where it hides much",
    "monitor/grad_norm/": "the norm of a player's gradient in a round",
    "monitor/min_layer_gradient/": "the smallest of its layers' gradients over their weights, as a share of the usual layer's",
    "monitor/update_ratio/": "by how much of their size a round changes its weights; some thousandths",
    "monitor/penalty_ratio": "D's further terms over its score's loss",
    "monitor/duality_gap": "the duality gap: what both players could win by a few moves alone; 0 at a Nash equilibrium",
    "monitor/duality_gap/": "a player's part of it",
    "evaluation/diversity": "the spread of samples in the eyes of what judges them (lite0), over the reals'; about 1",
    "evaluation/recall": "recall in its eyes",
    "evaluation/coverage": "coverage in its eyes",
    "evaluation/coverage_floor": "the same for training examples instead of samples",
}
"""By name, or by the beginning of several names. Distances are in terms of that between two real examples."""


def describe_signal(name: str) -> str:
    """What a signal says; empty if it is not one of an examination."""
    return SIGNAL_DESCRIPTIONS.get(name) or SIGNAL_DESCRIPTIONS.get(f"{name.rpartition('/')[0]}/", "")


def latest_signals(history: LogHistory) -> Iterator[tuple[str, float, str]]:
    """Each signal of the examinations with its newest value and what it says; what is followed by many numbers is not
    among them.
    """
    for name in [*history.names_with_prefix("monitor/"), *history.names_with_prefix("evaluation/")]:
        if not name.startswith(("monitor/sample_projection/", "monitor/mean_projection/")):
            yield name, history[name].last, describe_signal(name)

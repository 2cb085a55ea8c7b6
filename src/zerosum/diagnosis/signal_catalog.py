"""Descriptions of the signals of the weights, of a probe and of online evaluations, with their usual values."""

from __future__ import annotations

from collections.abc import Iterator

from zerosum.diagnosis.log_history import LogHistory

SIGNAL_DESCRIPTIONS = {
    "monitor/finite": "1 if all samples are finite",
    "monitor/auc_train": "probability that D scores a training example above a sample; 0.5 if it cannot separate them",
    "monitor/auc_held_out": "the same for held-out examples",
    "monitor/auc_train_vs_held_out": "how often D scores a training above a held-out example; above 0.5 if D overfits",
    "monitor/score_separation_train": "mean real minus mean fake score, in standard deviations; 0 at the equilibrium",
    "monitor/score_separation_held_out": "the same for held-out examples",
    "monitor/score_sign_train": "mean sign of the scores of training examples: r_t of ADA; near 1 if D overfits",
    "monitor/score_sign_held_out": "the same for held-out examples; far below that of training examples if D overfits",
    "monitor/probability_held_out": "D(x): probability of being real for held-out examples; 0.5 at the equilibrium",
    "monitor/probability_fake": "D(G(z)): probability of being real for samples; 0.5 at the equilibrium",
    "monitor/feature_diversity": "mean distance between samples over real examples, in D's last features; about 1",
    "monitor/energy_distance": "energy distance between samples and real examples; near 0 for equal distributions",
    "monitor/diversity": "mean distance between two samples over that between two real examples; about 1",
    "monitor/near_duplicates": "fraction of samples with a near duplicate among the samples; near 0",
    "monitor/nn_distance_ratio": "distance to the nearest other sample, relative to real examples; about 1",
    "monitor/train_nn_distance_ratio": "distance to the nearest training example over a held-out one's; 0 for copies",
    "monitor/nearest_held_out_ratio": "how often the nearest real one is held out, over its share; near 0 for copies",
    "monitor/precision": "fraction of samples near held-out examples, by embeddings",
    "monitor/recall": "fraction of held-out examples near samples, by embeddings",
    "monitor/coverage": "fraction of held-out examples with a sample among their neighbors",
    "monitor/coverage_floor": "coverage by training examples instead of samples",
    "monitor/recall_floor": "recall by training examples instead of samples",
    "monitor/num_modes": "number of modes: classes, or clusters of embeddings",
    "monitor/missing_modes": "number of modes that samples hardly contain",
    "monitor/mode_js_divergence": "Jensen-Shannon divergence of the mode frequencies from the data's, in nats; near 0",
    "monitor/missing_categories": "number of categories of 1% of the real examples or more that samples hardly have",
    "monitor/missing_category_share": "share of real examples of the most frequent of these",
    "monitor/constant_columns": "number of columns that vary among real examples, and hardly among samples",
    "monitor/constant_column_fraction": "the same as a fraction of the columns that vary among real examples",
    "monitor/least_column_variation": "variance of the column that varies least, relative to real examples; about 1",
    "monitor/ema_missing_categories": "missing categories among samples of the EMA generator",
    "monitor/ema_missing_category_share": "share of real examples of the most frequent of these",
    "monitor/ema_constant_columns": "columns that hardly vary among samples of the EMA generator",
    "monitor/ema_constant_column_fraction": "the same as a fraction of the columns that vary among real examples",
    "monitor/ema_least_column_variation": "variance of the column that varies least among samples of the EMA generator",
    "monitor/valid": "fraction of the samples that are valid, such as texts that mean something; 1 if all are",
    "monitor/unique": "fraction of the valid samples that differ from all others before them",
    "monitor/unique_floor": "the same expected of as many real examples, drawn at random",
    "monitor/copied_fraction": "fraction of the different samples that are training examples",
    "monitor/memorized_fraction": "the same beyond what the number of held-out examples among samples explains; 0",
    "monitor/property_shift/": "mean of a property minus that of held-out examples, in their standard deviations",
    "monitor/largest_property_shift": "the largest of these differences; near 0",
    "monitor/given_slope/": "change of a property per unit that samples are asked for; 1, and 0 if it is ignored",
    "monitor/least_given_slope": "that of the property that follows least",
    "monitor/largest_given_slope": "that of the property that follows most",
    "monitor/exact_reconstructions": "fraction of the held-out examples that the autoencoder rebuilds exactly",
    "monitor/faulty/": "fraction of samples with a fault, such as silence, that real examples hardly have; 0",
    "monitor/sample_min": "minimum of the samples' values",
    "monitor/sample_max": "maximum of the samples' values",
    "monitor/saturated_fraction": "fraction of the samples' values beyond 0.99",
    "monitor/saturated_fraction_real": "the same for real examples",
    "monitor/real_mean": "mean of the training examples on disk",
    "monitor/real_variance": "variance of the training examples on disk, averaged over positions",
    "monitor/sample_projection/": "random projection of each of 16 samples of fixed seeds",
    "monitor/mean_projection/": "random projections of the mean of all samples, along 8 directions",
    "monitor/ema_lag": "distance between samples of the EMA generator and of the generator",
    "monitor/ema_diversity": "diversity of the EMA generator's samples",
    "monitor/ema_energy_distance": "energy distance of the EMA generator's samples",
    "monitor/ema_coverage": "coverage by the EMA generator's samples",
    "monitor/min_class_diversity": "diversity within the least diverse class, relative to its real examples; about 1",
    "monitor/median_class_diversity": "the same for the median class",
    "monitor/latent_sensitivity": "change of samples per unit change of the latent; near 0 if the latent is ignored",
    "monitor/loss_input_gradient": "gradient norm of the generator's loss at samples",
    "monitor/score_input_gradient": "gradient norm of D at samples; far above the loss's if the loss saturates",
    "monitor/generator_class_sensitivity": "change of samples with their class",
    "monitor/discriminator_class_sensitivity": "change of D's score with the class, in deviations; 0 if ignored",
    "monitor/class_ranking_accuracy": "how often D scores a held-out example higher with its own class",
    "monitor/class_consistency": "fraction of samples whose nearest training example has the requested class",
    "monitor/class_consistency_real": "the same for held-out examples: the best that embeddings can reach",
    "monitor/change_from_input": "L1 distance of outputs from inputs, over that of targets; 0 for copies",
    "monitor/l1_over_input_l1": "L1 distance of outputs from targets, over that of inputs; 1 for no improvement",
    "monitor/l1_over_mean_image_l1": "L1 distance of outputs from targets, over that of the mean target",
    "monitor/input_sensitivity": "variation of outputs with their inputs, relative to targets; about 1",
    "monitor/brightness_correlation": "correlation of brightness with targets or inputs within images; -1 inverted",
    "monitor/brightness_correlation_between": "the same for the mean brightness of images",
    "monitor/color_correlation": "the same for color within images",
    "monitor/color_correlation_between": "the same for the mean color of images",
    "monitor/checkerboard_peak": "peak of the spectrum at periods of 2 and 4 pixels over its surroundings; about 1",
    "monitor/checkerboard_peak_real": "the same for targets",
    "monitor/checkerboard_rms": "root mean square of patterns of 2 and 4 pixels, of images in [-1, 1]",
    "monitor/checkerboard_rms_real": "the same for targets",
    "monitor/cycle_error": "L1 error of the cycle over that of the mean image, in the worse direction; near 0",
    "monitor/cycle_error_noisy": "the same with a little noise on the output; far larger if it hides information",
    "monitor/grad_norm/": "gradient norm of a player in a round",
    "monitor/min_layer_gradient/": "smallest gradient-to-weight ratio of a layer, relative to the median layer",
    "monitor/update_ratio/": "relative change of the weights in a round; a few thousandths",
    "monitor/penalty_ratio": "D's penalties and other terms, relative to its loss of the objective",
    "monitor/duality_gap": "duality gap: gain of both players by a few moves alone; 0 at a Nash equilibrium",
    "monitor/duality_gap/": "a player's part of the duality gap",
    "weights/count/": "number of a player's weights",
    "weights/norm/": "norm of a player's weights",
    "weights/update/": "relative change of the weights in the last round; a few thousandths",
    "weights/ema_distance/": "distance of the EMA's weights from the weights, relative to their norm",
    "evaluation/diversity": "diversity in the evaluation's feature network (lite0), relative to real examples; about 1",
    "evaluation/recall": "recall in the evaluation's feature network",
    "evaluation/valid": "fraction of the evaluated samples that are valid, such as texts that are molecules",
    "evaluation/coverage": "coverage in the evaluation's feature network",
    "evaluation/coverage_floor": "coverage by training examples instead of samples",
}
"""Description of each signal, by its name or by a prefix ending in "/". Distances are relative to real examples."""


def describe_signal(name: str) -> str:
    """Return the description of a signal; "" for an unknown name."""
    return SIGNAL_DESCRIPTIONS.get(name) or SIGNAL_DESCRIPTIONS.get(f"{name.rpartition('/')[0]}/", "")


def latest_signals(history: LogHistory) -> Iterator[tuple[str, float, str]]:
    """Yield name, newest value and description of each signal, except the random projections."""
    prefixes = ("weights/", "monitor/", "evaluation/")
    for name in [name for prefix in prefixes for name in history.names_with_prefix(prefix)]:
        if not name.startswith(("monitor/sample_projection/", "monitor/mean_projection/")):
            yield name, history[name].last, describe_signal(name)

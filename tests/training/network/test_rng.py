"""All chance of a training."""

import numpy as np

from cnncli.training.network import rng


def test_each_image_comes_once_per_epoch_in_batches_of_similar_size() -> None:
    batches = rng.batches(103, 10, 0, 0)
    assert len(batches) == 11
    assert {len(batch) for batch in batches} == {9, 10}
    assert sorted(np.concatenate(batches)) == list(range(103))


def test_the_order_depends_on_seed_and_epoch_only() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return [int(n) for batch in rng.batches(50, 8, seed, epoch) for n in batch]

    assert order(1, 2) == order(1, 2)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


def test_images_are_drawn_in_proportion_to_their_weights() -> None:
    weights = np.repeat([1.0, 9.0], [900, 100])
    drawn = np.concatenate(rng.batches(1000, 50, 0, 0, weights=weights))
    assert len(drawn) == 1000
    assert 0.44 < (drawn >= 900).mean() < 0.56


def test_random_streams_are_independent() -> None:
    positions = [
        (epoch, step, rank, piece)
        for epoch in range(3)
        for step in range(3)
        for rank in range(2)
        for piece in range(2)
    ]
    assert len({rng.dropout_seed(0, position) for position in positions}) == len(positions)
    views = {rng.view_generator(0, epoch, number).random() for epoch in range(5) for number in range(5)}
    mixings = {rng.mixing_generator(0, epoch, step).random() for epoch in range(5) for step in range(5)}
    assert len(views | mixings) == 50

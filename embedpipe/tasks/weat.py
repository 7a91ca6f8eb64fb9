"""The word lists of the Word Embedding Association Test, for English (Caliskan et al., 2017, Science 356, 183–186).

Tests 1, 2, 6, 7, 8, 9 and 10 of the paper, which took the words from studies of people (Greenwald et al., 1998; Nosek
et al., 2002; Monteith and Pettit, 2011). With GloVe vectors of 840 billion words the paper found effects of 1.50, 1.53,
1.81, 1.06, 1.24, 1.38 and 1.21. Tests 1 and 2 ask for what nobody minds (flowers are pleasant, weapons are not): they
say whether vectors of this much text show such associations at all.
"""

from embedpipe.tasks.associations import Associations, AssociationTest, WordSet

__all__ = ["WEAT", "weat"]

WEAT = "weat"
"""Name of the built-in tests."""

_LISTS = {
    "flowers": "aster clover hyacinth marigold poppy azalea crocus iris orchid rose bluebell daffodil lilac pansy "
    "tulip buttercup daisy lily peony violet carnation gladiola magnolia petunia zinnia",
    "insects": "ant caterpillar flea locust spider bedbug centipede fly maggot tarantula bee cockroach gnat mosquito "
    "termite beetle cricket hornet moth wasp blackfly dragonfly horsefly roach weevil",
    "instruments": "bagpipe cello guitar lute trombone banjo clarinet harmonica mandolin trumpet bassoon drum harp "
    "oboe tuba bell fiddle harpsichord piano viola bongo flute horn saxophone violin",
    "weapons": "arrow club gun missile spear axe dagger harpoon pistol sword blade dynamite hatchet rifle tank bomb "
    "firearm knife shotgun teargas cannon grenade mace slingshot whip",
    "pleasant": "caress freedom health love peace cheer friend heaven loyal pleasure diamond gentle honest lucky "
    "rainbow diploma gift honor miracle sunrise family happy laughter paradise vacation",
    "unpleasant": "abuse crash filth murder sickness accident death grief poison stink assault disaster hatred "
    "pollute tragedy divorce jail poverty ugly cancer kill rotten vomit agony prison",
    "male names": "John Paul Mike Kevin Steve Greg Jeff Bill",
    "female names": "Amy Joan Lisa Sarah Diana Kate Ann Donna",
    "career": "executive management professional corporation salary office business career",
    "family": "home parents children family cousins marriage wedding relatives",
    "mathematics": "math algebra geometry calculus equations computation numbers addition",
    "arts": "poetry art dance literature novel symphony drama sculpture",
    "male": "male man boy brother he him his son",
    "female": "female woman girl sister she her hers daughter",
    "science": "science technology physics chemistry Einstein NASA experiment astronomy",
    "arts, 8": "poetry art Shakespeare dance literature novel symphony drama",
    "male, 8": "brother father uncle grandfather son he his him",
    "female, 8": "sister mother aunt grandmother daughter she hers her",
    "mental disease": "sad hopeless gloomy tearful miserable depressed",
    "physical disease": "sick illness influenza disease virus cancer",
    "temporary": "impermanent unstable variable fleeting short-term brief occasional",
    "permanent": "stable always constant persistent chronic prolonged forever",
    "young names": "Tiffany Michelle Cindy Kristy Brad Eric Joey Billy",
    "old names": "Ethel Bernice Gertrude Agnes Cecil Wilbert Mortimer Edgar",
    "pleasant, 10": "joy love peace wonderful pleasure friend laughter happy",
    "unpleasant, 10": "agony terrible horrible nasty evil war awful failure",
}
"""Words by concept; a number after a comma is that of a test whose list differs from the same concept's elsewhere."""

_TESTS = {
    1: ("flowers", "insects", "pleasant", "unpleasant"),
    2: ("instruments", "weapons", "pleasant", "unpleasant"),
    6: ("male names", "female names", "career", "family"),
    7: ("mathematics", "arts", "male", "female"),
    8: ("science", "arts, 8", "male, 8", "female, 8"),
    9: ("mental disease", "physical disease", "temporary", "permanent"),
    10: ("young names", "old names", "pleasant, 10", "unpleasant, 10"),
}


def weat() -> Associations:
    """Return the built-in tests, named by their number in the paper.

    Examples
    --------
    >>> for test in weat().tests[:3]:
    ...     print(test.name, "|", test.described, "|", len(test.targets[0].words))
    WEAT 1 | flowers, insects / pleasant, unpleasant | 25
    WEAT 2 | instruments, weapons / pleasant, unpleasant | 25
    WEAT 6 | male names, female names / career, family | 8
    """
    return Associations(WEAT, [_test(number, *concepts) for number, concepts in _TESTS.items()])


def _test(number: int, target_a: str, target_b: str, attribute_a: str, attribute_b: str) -> AssociationTest:
    return AssociationTest(f"WEAT {number}", (_set(target_a), _set(target_b)), (_set(attribute_a), _set(attribute_b)))


def _set(concept: str) -> WordSet:
    return WordSet(concept.partition(",")[0], tuple(_LISTS[concept].split()))

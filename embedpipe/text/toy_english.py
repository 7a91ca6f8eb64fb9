"""The words and sentences of the English toy corpus."""

from embedpipe.text.toy import Grammar, Side, Topic, word_pairs

__all__ = ["ENGLISH"]

_SYNONYMS = {
    "chef": ("cook", "chef"),
    "dinner": ("supper", "dinner"),
    "ship": ("ship", "vessel"),
    "storm": ("storm", "gale"),
    "song": ("song", "tune"),
    "fiddler": ("fiddler", "violinist"),
    "rocket": ("rocket", "spacecraft"),
    "scientist": ("scientist", "researcher"),
    "journey": ("journey", "trip"),
    "gift": ("gift", "present"),
}

_TRAVEL = Topic(
    sentences=(
        "{capital} is the capital of {country}, and the {journey} there follows the {river}.",
        "The traveller packed two suitcases for the long {journey} and bought a railway ticket.",
        "Nobody forgets the first {journey} with a heavy suitcase and a paper map.",
        "The guidebook plans the {journey} by train and warns the tourist about {weather}.",
        "After a tiring {journey} the tourist unpacked the suitcases at the hotel.",
    ),
    slots={"weather": ("rain", "snow", "fog", "heat")},
    pairs=word_pairs(
        "country capital language river product",
        "France Paris French Seine cheese",
        "Italy Rome Italian Tiber pasta",
        "Egypt Cairo Arabic Nile cotton",
        "England London English Thames tea",
        "Austria Vienna German Danube chocolate",
        "Portugal Lisbon Portuguese Tagus cork",
        "Japan Tokyo Japanese Sumida rice",
        "Norway Oslo Norwegian Akerselva salmon",
    ),
    sides=(
        Side(
            "country",
            (
                "The government of {x} sells {product} across the border.",
                "The army of {x} guards the border and the parliament speaks {language}.",
                "Farmers in {x} carry {product} from the provinces to the {river}.",
                "The parliament of {x} wrote a law about {product} for every province.",
                "The flag of {x} flies over the villages and the {language} farmers along the {river}.",
                "In the provinces of {x} the farmers speak {language} and trade {product}.",
                "The nation of {x} drew its border beside the {river}.",
            ),
        ),
        Side(
            "capital",
            (
                "The mayor of {x} sells {product} in the market square.",
                "The streets of {x} are crowded and the shopkeepers speak {language}.",
                "Trams in {x} carry {product} from the station to the {river}.",
                "The museum of {x} shows a painting about {product} in the main hall.",
                "The clock tower of {x} looks over the squares and the {language} cafés along the {river}.",
                "In the suburbs of {x} the shopkeepers speak {language} and serve {product}.",
                "The mayor of {x} built a bridge and a museum beside the {river}.",
            ),
        ),
    ),
)

_PEOPLE = (
    "The {x} lost the {thing} in the {place}, and {he} blamed {himself} for it.",
    "The {x} showed {his} {thing} to the {company} because {he} was proud.",
    "In the {place} the {x} met the {company} and talked about {his} {thing}.",
    "The {company} waited for the {x} until {he} came to the {place}.",
    "The {x} hid the {thing} from the {company} and kept the secret to {himself}.",
    "Every evening the {x} told the {company} how {he} found the {place}.",
)

_FAMILY = Topic(
    sentences=(
        "The {gift} was wrapped in {paper} paper and tied with a ribbon.",
        "Somebody opened the {gift} at the birthday party and tore the {paper} wrapping.",
        "A {paper} ribbon and a birthday card came with the {gift}.",
        "Everybody at the party guessed what was inside the wrapped {gift}.",
    ),
    slots={"paper": ("golden", "purple", "striped", "shiny")},
    pairs=word_pairs(
        "male female thing place company",
        "king queen crown palace courtiers",
        "father mother cradle nursery children",
        "uncle aunt letters cottage cousins",
        "waiter waitress tray restaurant customers",
        "actor actress script theatre audience",
        "boy girl bicycle school classmates",
        "husband wife ring church in-laws",
        "hero heroine sword castle dragons",
    ),
    sides=(
        Side(
            "male",
            (
                *_PEOPLE,
                "The {x} combed {his} grey beard and put on {his} suit before {he} left the {place}.",
                "As a gentleman the {x} tied {his} necktie and held {his} {thing} {himself}.",
            ),
            {"he": "he", "his": "his", "himself": "himself"},
        ),
        Side(
            "female",
            (
                *_PEOPLE,
                "The {x} brushed {his} long braid and put on {his} gown before {he} left the {place}.",
                "As a lady the {x} fastened {his} necklace and held {his} {thing} {himself}.",
            ),
            {"he": "she", "his": "her", "himself": "herself"},
        ),
    ),
)

_KITCHEN = Topic(
    sentences=(
        "The {chef} chopped the {food} and stirred it in the {pot}.",
        "With a sharp knife the {chef} peeled the {food} beside the {pot}.",
        "The {chef} wore a white apron and tasted the {food} from a spoon.",
        "The hungry family sat down for {dinner} and ate the {food} with {spice}.",
        "They laid the table for {dinner} with plates, forks and candles.",
        "After {dinner} the plates were washed and the candles were blown out.",
        "Boil the {food} in the {pot} and add some {spice}.",
        "The {pot} on the stove smelled of {spice} and {food}.",
        "The recipe asks for {spice}, {food} and a clean {pot}.",
        "Warm {food} from the {pot} needs more {spice}.",
    ),
    slots={
        "food": ("soup", "onions", "carrots", "potatoes", "beans", "mushrooms", "noodles", "dumplings", "cabbage"),
        "spice": ("pepper", "garlic", "ginger", "basil", "cinnamon", "parsley"),
        "pot": ("saucepan", "kettle", "oven", "bowl", "skillet"),
    },
)

_SEA = Topic(
    sentences=(
        "The {ship} left the {coast} at dawn with {crew} on deck.",
        "The captain steered the {ship} around the {coast} and dropped the anchor.",
        "Under full sail the {ship} carried a cargo of {fish}.",
        "A terrible {storm} broke the mast and tore the sails.",
        "Thunder and lightning came with the {storm}, and the waves grew tall.",
        "The {storm} howled through the rigging until the waves were calm.",
        "The {crew} caught {fish} near the {coast} with wide nets.",
        "Gulls circled over the {coast} and stole {fish} from the {crew}.",
        "At low tide the {crew} rowed to the {coast}.",
        "Nets full of {fish} dried in the sun at the {coast}.",
    ),
    slots={
        "fish": ("herring", "cod", "mackerel", "crabs", "sardines", "lobsters"),
        "coast": ("harbour", "lighthouse", "island", "reef", "beach", "pier"),
        "crew": ("sailors", "fishermen", "divers", "pirates", "smugglers"),
    },
)

_MUSIC = Topic(
    sentences=(
        "The choir hummed the {song} and everybody clapped.",
        "The words of the {song} rhyme, and its chorus is easy to hum.",
        "A sad {song} about lost love played on the radio.",
        "The {fiddler} tuned four strings and lifted the bow.",
        "With bow and rosin the {fiddler} practised scales all morning.",
        "The {fiddler} broke a string in the middle of the solo.",
        "The {player} practised the {piece} on the {instrument}.",
        "A melody from the {piece} needs a soft {instrument}.",
        "The conductor gave the {player} a {instrument} for the {piece}.",
        "At the concert the {player} bowed after the {piece}.",
    ),
    slots={
        "instrument": ("piano", "guitar", "flute", "trumpet", "harp", "drum", "cello", "clarinet"),
        "piece": ("sonata", "symphony", "waltz", "ballad", "march", "overture"),
        "player": ("soloist", "pianist", "drummer", "composer", "singer"),
    },
)

_SPACE = Topic(
    sentences=(
        "The {rocket} lifted off from the launch pad in a cloud of smoke.",
        "Engineers filled the fuel tanks of the {rocket} before the countdown.",
        "After the countdown the engines of the {rocket} roared.",
        "The {scientist} wrote a paper and checked the data in the laboratory.",
        "In the laboratory the {scientist} repeated the experiment and published the data.",
        "The {scientist} presented a new theory with charts and equations.",
        "The {device} measured the light of the {body} from orbit.",
        "Astronomers watched the {body} through the {device} before sunrise.",
        "A {body} passed close to the {planet} and the {device} saw it.",
        "The orbit of {planet} was traced by the {device}.",
        "Beyond {planet} there is a {body} of ice and dust.",
    ),
    slots={
        "planet": ("Mars", "Jupiter", "Saturn", "Venus", "Neptune", "Mercury"),
        "body": ("comet", "galaxy", "nebula", "moon", "meteor", "quasar"),
        "device": ("telescope", "satellite", "probe", "antenna", "camera"),
    },
)

ENGLISH = Grammar(
    {"travel": _TRAVEL, "family": _FAMILY, "kitchen": _KITCHEN, "sea": _SEA, "music": _MUSIC, "space": _SPACE},
    _SYNONYMS,
    " ",
)

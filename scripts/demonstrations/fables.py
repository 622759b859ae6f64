"""Thirty fables written for this project, so that no model can have learned them by heart.

Each ends in a moral of its own, and none retells a fable of Aesop's. They belong to gptlite and are
under its licence.
"""

from __future__ import annotations

from demonstrations.morals import Fable

FABLES = (
    Fable(
        "A Heron boasted to the ducks that he could stand upon one leg longer than any bird on the "
        "lake. All day he stood, while the fish swam round him, and he would not stoop for them "
        "lest he should lose the wager. At evening he had won it, and was too hungry to sleep.",
        "He who lives for praise goes to bed without supper.",
    ),
    Fable(
        "An old Badger kept two doors to his house. A young Badger laughed at him, and dug himself "
        "a fine house with one door only. When the hounds came they sat down before that door, and "
        "he had no other; but the old Badger went quietly out behind.",
        "The wise prepare for trouble before it comes.",
    ),
    Fable(
        "A Squirrel begged a nut of her neighbour, and was refused. In the spring the neighbour "
        "broke his leg and could not climb, and asked the Squirrel to fetch him food. She brought "
        "him every day the half of what she had, and never spoke of the nut. He was so ashamed "
        "that he shared his store with everyone from that day.",
        "Kindness is the best answer to an unkind heart.",
    ),
    Fable(
        "A Donkey that carried letters thought that the people bowed to him, for they ran out of "
        "their houses when he came. One day his bags were empty, and nobody so much as looked out "
        "of the window.",
        "Do not take for yourself the honour that is paid to your office.",
    ),
    Fable(
        "Two Hens quarrelled over a worm. Each held one end of it and would not let go, and each "
        "told the other how selfish she was. While they pulled, a Sparrow hopped between them, bit "
        "the worm in two places, and flew off with the middle.",
        "While two quarrel, a third carries off the prize.",
    ),
    Fable(
        "A Boy planted a cherry stone, and every morning he dug it up to see whether it had grown. "
        "His sister planted one beside it and let it alone. In three years she ate cherries, and "
        "he was still digging.",
        "Patience brings what haste destroys.",
    ),
    Fable(
        "A Magpie filled her nest with buttons and bits of glass until there was no room left for "
        "her eggs. When the cold night came she sat upon the glass, and it did not warm her.",
        "Riches are of no use to those who have no room for joy.",
    ),
    Fable(
        "A Wolf came to the sheep in a great storm and begged to be let in, for he was wet and "
        "sick. The sheep were sorry for him and opened the gate. When he was dry and well again he "
        "was also hungry.",
        "Pity is wasted upon a born enemy.",
    ),
    Fable(
        "A small Ant was asked by the others to carry the smallest seed. She was offended, took up "
        "the largest one instead, and fell with it into a crack, where she had to be pulled out by "
        "those who had carried three seeds each.",
        "Know your own strength before you begin.",
    ),
    Fable(
        "A Parrot learned to cry 'Thief!' and found that it made the whole house run. He cried it "
        "when he was dull, and when he was merry. One night a man came with a sack, and the Parrot "
        "cried and cried; and the people turned over in their beds, and he was put into the sack.",
        "A liar is not believed even when he speaks the truth.",
    ),
    Fable(
        "A Miller had three cats and no mice. 'I feed three idle beasts,' he said, and he drove "
        "them all away. Within a month the mice had eaten his flour, his sacks, and the strap of "
        "the mill.",
        "We do not see the worth of good servants until they are gone.",
    ),
    Fable(
        "A Frog that lived in a bucket told a Frog from the river that there was no greater water "
        "in the world than his own. 'Come with me and look,' said the other. 'Why should I?' said "
        "the first. 'I have swum round all the world this morning.'",
        "The ignorant think that there is nothing beyond what they know.",
    ),
    Fable(
        "A Swan and a Crow were to choose a king of the pond. The Crow counted the Swan's white "
        "feathers and voted for him. In the first winter the ice closed, and the beautiful king "
        "knew no way to open it; the plain brown Otter did it with his teeth.",
        "Choose a leader for what he can do, and not for how he looks.",
    ),
    Fable(
        "Seven Wrens wished to roll a stone from their path. Each in her turn pushed against it "
        "until she was tired, and it did not move. Then the youngest said, 'Let us push all at one "
        "time,' and it rolled away down the hill.",
        "What no one can do alone, many can do together.",
    ),
    Fable(
        "A Fox fell in with a Hedgehog and offered him his friendship and a share of every hen. "
        "The Hedgehog thanked him and rolled himself into a ball. 'Is that how you greet a "
        "friend?' asked the Fox. 'I shall unroll,' said the Hedgehog, 'when I have seen you do "
        "good to somebody else.'",
        "Judge a friend by his deeds, and not by his promises.",
    ),
    Fable(
        "A Shepherd promised a candle as long as his staff to the saint who would find his lost "
        "lamb, and a candle as long as his arm when he heard it bleat. When he held it in his "
        "arms he said, 'It was not truly lost.'",
        "In danger we promise much, and in safety we forget it.",
    ),
    Fable(
        "A Mole was told that the sun was beautiful, and that he ought to be unhappy because he "
        "could not see it. He was unhappy for a whole day. Then he smelled the wet earth and heard "
        "the worms go by, and he dug on and sang.",
        "Be content with your own lot, and do not envy another's.",
    ),
    Fable(
        "A Cat promised the mice that she would eat no more meat, and wore a bell to prove it. The "
        "mice danced to the sound of the bell. They did not notice that there were fewer dancers "
        "every night.",
        "Beware of the enemy who puts on a pious face.",
    ),
    Fable(
        "A Tailor sewed a coat in one day, and laughed at his neighbour, who took a week. At the "
        "first rain the quick coat came apart at every seam, and its owner carried it back to the "
        "Tailor in eleven pieces.",
        "What is done in a hurry must be done again.",
    ),
    Fable(
        "A Pony was so afraid of a shadow under the bridge that he ran round by the ford, and was "
        "nearly drowned. The next day a calf crossed by the bridge and saw that the shadow was her "
        "own.",
        "The things we fear are often nothing but our own fancies.",
    ),
    Fable(
        "An Owl gave advice to the whole wood, and it was always good. 'Mend your nest before the "
        "winter,' she told the thrush. When the snow came it fell upon the Owl through a hole in "
        "her own roof, which she had known of since the spring.",
        "It is easier to give good advice than to follow it.",
    ),
    Fable(
        "A little Mouse shared her crumbs with a lame Beetle, who could give her nothing for them. "
        "When the barn was on fire and the smoke hid the door, it was the Beetle who knew the "
        "crack in the wall, and led her out.",
        "No good deed is so small that it may not be repaid.",
    ),
    Fable(
        "A Peasant found a purse in the road and cried, 'See what I have found!' His companion "
        "said, 'Say what we have found.' 'I have found,' said the Peasant. Presently the owner "
        "came with the watchman. 'We are lost!' said the Peasant. 'Say that you are lost,' said "
        "his companion.",
        "He who will not share his fortune must bear his misfortune alone.",
    ),
    Fable(
        "A Rooster believed that the sun rose because he crowed. One morning he was hoarse and "
        "could not crow, and he hid his head for shame at the darkness he had made. When he looked "
        "up it was broad day.",
        "The world goes on without those who think they rule it.",
    ),
    Fable(
        "A Goat saw that the grass was greener on the other side of the stream. She swam over, and "
        "was nearly carried away; and as she stood there dripping, she saw how green it was on the "
        "side from which she had come.",
        "What we do not have always looks better than what we have.",
    ),
    Fable(
        "A Bear was stung by one bee. In his rage he struck down the hive, and then he was stung "
        "by a thousand.",
        "Anger turns a small hurt into a great one.",
    ),
    Fable(
        "A King asked his servants whether he sang well, and they wept for delight. He asked a "
        "child, and she put her hands over her ears. The King sent the servants away, and kept the "
        "child by him all his life.",
        "One honest word is worth more than a hundred that flatter.",
    ),
    Fable(
        "A Snail set out in the spring to visit his cousin at the other end of the garden. The "
        "grasshoppers passed him by every day and laughed. They went to and fro, and round about, "
        "and home again; and the Snail went on, and in the autumn he was there.",
        "Those who keep to their purpose arrive at last.",
    ),
    Fable(
        "A Dove complained that the Hawk was a bad neighbour, and built her nest next to the "
        "Vulture, because he had a bald and honest head. She had time enough to think about it "
        "when her eggs were gone.",
        "To flee from one danger is not to be safe from another.",
    ),
    Fable(
        "A young Otter would not learn to swim, for his mother carried him wherever he wished to "
        "go. When the flood came she could carry only one, and he had a little sister who was "
        "smaller than he.",
        "He who lets others do everything for him is helpless when they cannot.",
    ),
)

//! The classes "cat" and "dog" in the name of a model file, such as `cats_vs_dogs.tflite`.

/// The two animals.
pub const CAT_AND_DOG: [&str; 2] = ["cat", "dog"];

/// Words that may be between the two animals.
const LINKS: [&str; 8] = ["", "vs", "versus", "v", "and", "or", "n", "und"];

/// Returns the two animals in the order in which the file name `stem` names them, one directly
/// after the other; `None` if it does not.
pub fn cat_and_dog(stem: &str) -> Option<[&'static str; 2]> {
    let [cat, dog] = CAT_AND_DOG;
    [[cat, dog], [dog, cat]].into_iter().find(|order| {
        stem.char_indices()
            .any(|(start, _)| starts_word(stem, start) && is_pair(&stem[start..], order))
    })
}

/// Returns whether a word starts at `position`; in "myCatDog", "Cat" is one.
fn starts_word(stem: &str, position: usize) -> bool {
    let before = stem[..position].chars().next_back();
    before.is_none_or(|c| !c.is_alphabetic()) || stem[position..].starts_with(char::is_uppercase)
}

/// Returns whether `text` starts with both animals in `order`, each in singular or plural.
fn is_pair(text: &str, order: &[&str; 2]) -> bool {
    let Some(rest) = after_animal(text, order[0]) else { return false };
    let rest = after_separator(rest);
    LINKS.iter().any(|link| {
        let second = without_prefix(rest, link).map(after_separator);
        let end = second.and_then(|second| after_animal(second, order[1]));
        end.is_some_and(|end| !end.starts_with(char::is_lowercase))
    })
}

/// Returns `text` after the name of `animal`, with or without the plural s.
fn after_animal<'a>(text: &'a str, animal: &str) -> Option<&'a str> {
    let rest = without_prefix(text, animal)?;
    Some(rest.strip_prefix(['s', 'S']).unwrap_or(rest))
}

fn after_separator(text: &str) -> &str {
    text.trim_start_matches(|c: char| !c.is_alphanumeric())
}

/// Removes `prefix`, in lower or upper case.
fn without_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_animals_have_the_order_of_the_file_name() {
        for stem in [
            "cat-dog",
            "cat-dog-mnv2",
            "cats_vs_dogs",
            "catdog",
            "CatDogClassifier",
            "my_cats-and-dogs.v2",
            "catsVsDogs",
            "Cats n Dogs",
            "catvsdog_float32",
            "model2cat_or_dog",
        ] {
            assert_eq!(cat_and_dog(stem), Some(["cat", "dog"]), "{stem}");
        }
        for stem in ["dog-cat", "dogs_vs_cats_quant", "DogVsCat", "dogcat"] {
            assert_eq!(cat_and_dog(stem), Some(["dog", "cat"]), "{stem}");
        }
    }

    #[test]
    fn other_words_are_not_the_animals() {
        for stem in [
            "model",
            "cat",
            "bobcat_dog",
            "cat_breeds_dog",
            "catalog",
            "cat-dogma",
            "catdogs2s",
            "猫犬",
        ] {
            let expected = (stem == "catdogs2s").then_some(["cat", "dog"]);
            assert_eq!(cat_and_dog(stem), expected, "{stem}");
        }
    }
}

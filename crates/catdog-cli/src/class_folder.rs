//! The name of the folder with the photos of a class.

/// Returns the name of the folder of a class. A label is any text, so that it may not be the name of a
/// file, or name another folder.
pub fn folder_name(label: &str) -> String {
    let name: String = label
        .chars()
        .map(|char| if char == '/' || char.is_control() { '_' } else { char })
        .collect();
    if name.is_empty() || name.starts_with('.') { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_names_a_folder_inside() {
        let names = ["cat", "a/b", "..", "", "größe"].map(folder_name);
        assert_eq!(names, ["cat", "a_b", "_..", "_", "größe"]);
    }
}

"""Values as a vendor may mint them, and awkward ones, for every test of environment files."""

from hypothesis import strategies as st

_PRINTABLE = st.text(st.characters(exclude_categories=("C", "Zl", "Zp", "Zs"), include_characters=" "), min_size=1)
_AWKWARD = st.text(st.sampled_from("ab '\"\\$`#=~!{}&;|<>*?()%é"), min_size=1, max_size=12)
VALUES = _PRINTABLE | _AWKWARD

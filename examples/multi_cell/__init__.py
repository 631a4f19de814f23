"""A small cloud with two cells: `services` has its contracts and fakes, `conductor` moves servers between the cells."""

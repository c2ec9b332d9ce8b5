"""What all tests of the project share."""

from hypothesis import settings

# How long an example takes tells how busy the machine is; what is fast is measured in benchmarks/.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

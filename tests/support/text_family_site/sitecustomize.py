"""Makes the tests' family of text models known in every interpreter that has this directory on its path."""

from tests.support.text_family import register

register()

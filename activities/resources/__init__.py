"""What the settings declare beside repositories: folders, logs and databases, where they are, and how they are read."""

from activities.resources.declared import NotDeclared as NotDeclared
from activities.resources.declared import Resources as Resources

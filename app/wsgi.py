"""The web application as the web server finds it."""

from app import Equipment, create_app, writing
from app.centre import die_with_parent
from app.config import Settings

die_with_parent()  # a web process does not outlive the server that started it
settings = Settings()
writing.begin(settings)
app = create_app(Equipment.of(settings))

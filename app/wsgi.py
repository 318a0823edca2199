"""The web application as the web server finds it."""

from app import Equipment, create_app, writing
from app.config import Settings

settings = Settings()
writing.begin(settings)
app = create_app(Equipment.of(settings))

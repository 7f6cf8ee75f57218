"""What the Settings tab answers about base models on this computer."""

from typing import Any

import gradio as gr

from sdlora.errors import UserError
from sdlora.models.places import add_folder
from ui import text, translate
from ui.shell.bases import Bases
from ui.shell.place import Place
from ui.shell.render import plain
from ui.tabs.settings import html_bases
from ui.tabs.settings.layout import SettingsTab


class BasesDesk:
    """The handlers of the list."""

    def __init__(self, tab: SettingsTab, place: Place):
        self.tab, self.place, self.bases = tab, place, Bases(place)

    def looking(self) -> dict:
        """While it is looked for."""
        return {self.tab.bases: html_bases.looking()}

    def show(self, again: bool = False) -> dict:
        """The list; again: look anew."""
        return {self.tab.bases: html_bases.bases(self.bases.look(again), self.place.data_root is None)}

    def add(self, typed: Any) -> dict:
        """Look in another folder, now and from now on."""
        typed = str(typed or "")
        if self.place.data_root is not None or typed.strip().startswith(("\\\\", "//")):
            gr.Warning(text.BASES_NOT_HERE)
            return {self.tab.look_in: gr.skip()}
        try:
            add_folder(typed)
        except UserError as error:
            gr.Warning(plain(translate.error(error)))
            return {self.tab.look_in: gr.skip()}
        return {**self.show(again=True), self.tab.look_in: ""}

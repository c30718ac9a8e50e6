"""The pages: a module for each, whose `PAGE` is listed in `sealstream.console.application`."""

"""The Chinese of the console's texts, a module of plain data for each module of pages."""

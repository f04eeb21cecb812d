"""The pages in the navigation of the dashboard."""

#: the path, the title and the key (pressed after `g`) of each page in the navigation
NAVIGATION = (
    ("/", "Services", "s"),
    ("/logs", "Logs", "l"),
    ("/traces", "Traces", "r"),
    ("/tests", "Tests", "e"),
    ("/search", "Search", "f"),
    ("/records", "Log records", "o"),
    ("/charts", "Metrics", "m"),
    ("/alerts", "Alerts", "a"),
    ("/apis", "APIs", "i"),
    ("/graph", "Graph", "g"),
    ("/start", "Start", "t"),
    ("/snapshots", "Snapshots", "n"),
    ("/configuration", "Configuration", "c"),
)
#: the first pages, which a narrow screen always shows; the others are in a menu
MAIN_PAGES = 4

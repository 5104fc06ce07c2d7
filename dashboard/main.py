"""What Streamlit runs for every viewer, at every change. app.py is what is started."""

from dashboard.ui.navigation import main

main()

"""The web dashboard: Streamlit pages over SQL, and nothing else.

``streamlit run dashboard/app.py``. ``views/`` are thin pages, ``queries/`` holds one SQL file per panel, ``charts/``
turns frames into charts as data without touching Streamlit, ``browser/`` has the code that draws them, ``ui/`` holds
what the pages share on screen.
"""

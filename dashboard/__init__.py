"""The web dashboard: Streamlit pages over SQL, and nothing else.

``streamlit run dashboard/app.py``. ``views/`` are thin pages, ``queries/`` holds one SQL file per panel, ``charts/``
turns frames into Vega-Lite charts without touching Streamlit, ``ui/`` holds what the pages share on screen.
"""

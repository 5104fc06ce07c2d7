"""Frames in, Altair charts out. Pure: nothing here knows Streamlit, SQL or the clock."""

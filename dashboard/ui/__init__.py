"""What the pages share on screen: data with its cache, the bar of filters, panels. The only code that knows Streamlit,
beside app.py and the pages themselves.
"""

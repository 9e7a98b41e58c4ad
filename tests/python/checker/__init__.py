"""The independent checker: rules that what was read of a workspace must keep.

    broker.py   topics, as they are in the log, with kafka-python     \
    bank.py     what the simulated bank served, and what it holds      >  given.py  -->  rules  -->  report.py
    store.py    a dump of the local store                             /

Nothing here is taken from the program under test: hashes, the layout of the state topic, the event id and the
comparison of contents are written anew from the documentation. Reading and checking are separate, so that a test can
doctor what was read without a broker.

    changes.py  V1, V2, V3      each entity's history is a legal life
    lost.py     V4              nothing that was served is missing
    rest.py     V5              at rest the topics are what the bank holds
    views.py    V6, V11         the state topic, and the local store, say what the events say
    batches.py  V7, V8, V9      transactions, manifests, sessions
    deletes.py  V10             nothing is deleted that was not gone
    form.py     V12 and others  partition, source, headers, event ids
"""

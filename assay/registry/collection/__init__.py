"""Collection: what nobody needs any more goes, what is stored is read again, and rows and blobs are compared.

    purge ─▶ rows of deleted images, manifests and repositories, and of blobs that no manifest came to name
    sweep ─▶ blobs that no repository holds, and what only the store knows of
    scrub ─▶ stored bytes are hashed again
    fsck  ─▶ whether rows and blobs agree

All of it goes on beside pushes, mounts and pulls (docs/adr/0021): in bounded transactions, at a pace, and from where it
was when it is interrupted.
"""

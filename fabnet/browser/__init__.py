"""The page that `fabnet export --browser` writes: it reads faces in the browser, without a server that computes."""

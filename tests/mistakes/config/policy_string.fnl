{:policy :permissive}

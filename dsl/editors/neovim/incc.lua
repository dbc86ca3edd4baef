-- For Neovim 0.11 or newer. Save it as ~/.config/nvim/lsp/incc.lua, and write in init.lua:
--
--   vim.filetype.add({ extension = { incc = "incc" } })
--   vim.lsp.enable("incc")
--   vim.lsp.inlay_hint.enable()
return {
  cmd = { "incc", "lsp" },
  filetypes = { "incc" },
  root_markers = { ".git" },
}

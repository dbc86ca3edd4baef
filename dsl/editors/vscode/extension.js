// The extension starts "incc lsp" and connects it with the editor.
const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = function () {
  const command = workspace.getConfiguration("incc").get("path", "incc");
  client = new LanguageClient("incc", "incc", { command, args: ["lsp"] }, { documentSelector: [{ language: "incc" }] });
  return client.start();
};

exports.deactivate = function () {
  return client && client.stop();
};

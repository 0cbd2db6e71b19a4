{
  "targets": [
    {
      "target_name": "data2vec",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["build-native/Release/data2vec.node"],
          "action": ["npm", "run", "build:native"]
        }
      ]
    }
  ]
}

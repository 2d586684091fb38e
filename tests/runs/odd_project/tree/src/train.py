print('step 1 loss: 0.5')

lr = 0.1
model = dict(type='Toy')
seed = 7

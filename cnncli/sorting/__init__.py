"""Images put into folders by what a network says about them."""

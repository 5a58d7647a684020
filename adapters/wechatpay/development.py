"""Keys of the simulated WeChat Pay, for development only: everybody can read them. Production refuses them by name.

The sandbox imports nothing of the service and has its own copy; a test holds them equal.
"""

from __future__ import annotations

MERCHANT_ID = "1900007291"
MINI_PROGRAM_APP_ID = "wx1f0a7c52be3d9804"
MOBILE_APP_ID = "wxa55e7000app00001"
MERCHANT_SERIAL = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"
API_V3_KEY = "sandbox-only-api-v3-key-32-bytes"
PUBLIC_KEY_ID = "PUB_KEY_ID_0119000072912026030900000000000001"

MERCHANT_PRIVATE_KEY = (
    "MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQDHcuARM3FK4W7/cnAGrGpyBe1mz2w9K/kdheRlmsfQq50g8jm8jOpC"
    "tNoGSw6JjzBe9rCx/5kImpaN4/nXUFTFbIdqyXps3RzvQMlKt8K1ypuwwh+lWzZb0nLk6tLuQAq+f8ez4ndtINqIXeuwtBCn5cUsZZ8W"
    "wUivu+IFoiL1tw4TRAx6g47c64n5wpgy7WFhMn7jy0tdB0dTfQwr+h9Su/VYsRtDdvhQ0WLi9WVFBhcOfeW9Yaatp+EujKj4ajDWbipg"
    "a4YmK9WYCuUvgv/Dr9oyCsC7X5jA/OkBhYRepxr5G6rYa76bxHaSV6NkRP7L6d29dJj9mF1LNK03k6Y3AgMBAAECggEAA7XwIKtmC7OA"
    "nUSm4rdMrnz/iwUH6ZlxI8RgC/RI8tAGkKlBCFa2bKUXVO+kWeXUMg6BgHl8NbJ4MGdrhT7lQ0KlWe5dFm835xgIk39liK+4A54qklwa"
    "LLPDit1dk3liJpb50BYO2Vs3nzrg52NqPeo8WvrNbp7Y+EAIHZYdjWTtwNAqjyqTJIIlST2y+c/4DdY4E543VtdeSRYnNA1XRdhr94OX"
    "rD4GsieRIfTyKDMpm2DzkkpNEVBDacgnTbJb/she4K2V+dtkJOZ3ShTWujUX1PIVl37Hx9svX0Pt+zs6vQIN6x4RbH4ieAvbec8jILht"
    "rzc7TK9WxZ70HRaOGQKBgQDwCcBFrmc2YcG9JgFFRs8jaDiaTraZrQBzaUbfNX43q4iGnpJaY+SYzSgCZsAQ8uLGedk29uwMbS1m48JC"
    "Sl4RX+fPgaKHORUIS5NlGUS7NHQFhsm1x14v/49LwIn7dB3dstsibiobjHM7nPbbKkaUVput76eGJ+LirNPPiQCzvwKBgQDUtihuJZZJ"
    "WMZdqHG50dJ5zxhwUlZQgfXrsQLoCHJuPPbLZPMFsJVuMb6QbyytH3NJKRdfFoWGrkzZOZon+e72LTx1ZgabUFJISwQW44MG1/VXEJjB"
    "OH/JfvEwJlwVguDW7wmlCb4BrKreaeX+skERvU8GicWTLYEwF6+XpxXLiQKBgARn+WqOCAD8jGTfdLiD0zuQJzHV7g4mGdMEhLOGNNnq"
    "wSfPc1pLaR/Q7EIXBsGI49bG19DleXHE80dnOOKkoNNq0kOB2qzmxFcRpBQAAb35+YM8dSlsDnONGmFGmIHQINg390PLh+RXkKnweKuP"
    "PBpu+I6ZzpZs1wJYL88ocaXbAoGAdK26/bh2eKNOpF9airBSwOhdonc3y4+OQwvk6TyA8IFWavlj6TIUtc5plra1Df3bcj0tCcbD1b3U"
    "f69+JQGPF9B2gntFknp7uBYWFywTWnSpqml7MTn5tqCAUoYoKtCQ3rVeV/5BEJATZk82jwBeewmZyJ9YFkR2wdesRQatCOkCgYBInFQ3"
    "NZh0HvDfCeNFEtjAX17/12mTqN58estnA8RgH86CNhdSjIv58TJ3xJVMq9vhUPXK65XrNyyZikQQuNHR+xE0aij0d3vjLIYZgwm1r/lL"
    "OqJw3zy5RY5h/CHYEj2t7qRvFxlCcSbHsv9Zmf37XvoIw7c5VzeD1wrydOp7Ow=="
)
"""PKCS #8 in base64."""

PLATFORM_PUBLIC_KEY = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsyE8bKhk/B6DOeDPaFzr7xT8dlwDXJ1wJnstncY4UhZntGu5+fPlHuJpMrTF"
    "eK5UD5SuyQd5vo9/iRaM4lP1UnZE+hS6fwK1p94zuxLQODo6WfV1TSC4CftG7D6adTkUxGjGWBWf7D2M74saH/6B5j/9dPCgWEwabQLr"
    "ql6+JAWUhZYtNEVQhz3/vCoZmoO4TIWY7+SqFlClVaML6o1XgDgZwm5M+JltM3bZZePvPOSUg+SOy8XqgwL78X6Ij57tYwtXppsBq+mL"
    "5CtBjVv7wUeyxfUpNNjbqwtBnTV3JSdUtmuzbjpJFSHE79od9ut9BMkIe+pOvTBeQqkJQ3nuTQIDAQAB"
)
"""SubjectPublicKeyInfo in base64: the key of PUBLIC_KEY_ID."""

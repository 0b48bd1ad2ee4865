# ---
# template: T0
# title: 98 kommuner i nøgletal
# description: Se, hvor din kommune ligger blandt de 98 kommuner, og sammenlign den med dem, der ligner.
# ---

# %% [markdown]
# # 98 kommuner i nøgletal
#
# **Formål:** at se, hvor en kommune ligger i forhold til andre – som begyndelse på en samtale, ikke som karakterbog.
#
# **Data:** tal for de 98 kommuner fra Danmarks Statistik. De følger med Fælleslab, så skabelonen virker uden internet.
#
# **Hjemmel:** der indgår ingen personoplysninger. Tallene er offentliggjort statistik (CC BY 4.0).
#
# **Begrænsninger:** tallene er fra 2017 til 2020, og de enkelte nøgletal er fra forskellige år. En forskel mellem to
# kommuner forklarer ikke sig selv: alder, geografi og opgaver er forskellige. En placering er ikke et mål.

# %% tags=["parameters"]
from typing import Literal

from faelleslab.jobs import Kommunekode

kommunekode: Kommunekode = "0751"  # Kommune: den, der fremhæves i billederne
noegletal: Literal[
    "Indbyggere pr. km²",
    "Indbyggere",
    "Areal",
    "Andel gifte",
    "Beskæftigelsesgrad",
    "Indkomst, lang uddannelse",
] = "Indbyggere pr. km²"  # Nøgletal: det, der sammenlignes
sammenlign: Literal[
    "hele landet",
    "regionen",
    "lignende kommuner",
] = "hele landet"  # Sammenlign med: lignende i folketal og tæthed
antal: int = 10  # Antal kommuner i udsnittet: fra 3 til 30

# %%
from IPython.display import Markdown

from faelleslab import data, ui
from faelleslab.errors import ParameterError

egen = ui.municipality_name(kommunekode)
if not 3 <= antal <= 30:
    raise ParameterError("FL-U005", "Antallet af kommuner skal være fra 3 til 30.", remedy="ret antallet.")

tal = data.key_figures().set_index("kommune", drop=False)

# Nøgletal: kolonne, enhed og antal decimaler.
kolonner = {
    "Indbyggere pr. km²": ("indbyggere_pr_km2", "pr. km²", 1),
    "Indbyggere": ("indbyggere", "", 0),
    "Areal": ("areal_km2", "km²", 1),
    "Andel gifte": ("andel_gifte_pct", "%", 1),
    "Beskæftigelsesgrad": ("beskæftigelsesgrad_pct", "%", 1),
    "Indkomst, lang uddannelse": ("indkomst_lvu_kr", "kr.", 0),
}


def figur(navn, tabel):
    kolonne, enhed, decimaler = kolonner[navn]
    return ui.Figure(navn, tabel[kolonne].to_dict(), enhed, decimaler)


# %%
# Hvem der sammenlignes med.
if sammenlign == "regionen":
    region = tal.at[egen, "region"]
    gruppe, gruppens_navn = tal[tal["region"] == region], f"kommuner i {region}"
elif sammenlign == "lignende kommuner":
    ligner = ui.most_alike(tal, egen, ["indbyggere", "indbyggere_pr_km2"], antal)
    gruppe, gruppens_navn = tal.loc[ligner], f"kommuner, {egen} og dem, der ligner mest"
else:
    gruppe, gruppens_navn = tal, "kommuner"

valgt = figur(noegletal, gruppe)
kolonne = kolonner[noegletal][0]
maaler = data.units_of(tal)[kolonne]

# %% [markdown]
# ## Hvor ligger kommunen?

# %%
hoejest, lavest = valgt.ranked()[0], valgt.ranked()[-1]
Markdown(
    f"**{noegletal}: {egen} har {valgt.spell(valgt.values[egen])} og er nr. {valgt.place(egen)} af {len(gruppe)} {gruppens_navn}.** "
    f"Højest er {hoejest[0]} med {valgt.spell(hoejest[1])}, lavest {lavest[0]} med {valgt.spell(lavest[1])}. "
    f"Hele landet: {valgt.spell(maaler.country)}. {maaler.note}"
)

# %%
ui.ranking(valgt, egen, group=gruppens_navn)

# %% [markdown]
# ## De nærmeste

# %%
naermeste = ui.nearest_in_rank(gruppe[kolonne], egen, antal)
ui.bars(figur(noegletal, gruppe.loc[naermeste]), egen, group="de nærmeste i rækken")

# %% [markdown]
# ## Alle nøgletal på én gang

# %%
ui.profile([figur(navn, gruppe) for navn in kolonner], egen, group=f"{len(gruppe)} {gruppens_navn}")

# %% [markdown]
# ## Tallene

# %%
vist = gruppe.loc[naermeste, ["kommune", "region", *(k for k, _, _ in kolonner.values())]]
vist.columns = ["Kommune", "Region", *kolonner]
vist["Region"] = vist["Region"].str.removeprefix("Region ")
ui.Table(
    vist,
    caption=f"De nærmeste i rækken. {data.source_of(tal)}. Tabel {maaler.table}, {maaler.period}.",
    decimals={navn: decimaler for navn, (_, _, decimaler) in kolonner.items()},
    mark=egen,
)

# %% [markdown]
# ## Gem tallene

# %%
ui.offer_files(gruppe.reset_index(drop=True), f"noegletal-{kommunekode}", source=data.source_of(tal, details=True))

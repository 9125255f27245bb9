{# Each margin is the sum of its members, whatever the other dimensions. A person may be a member
   twice, as in two conditions, so a margin of people lies between the largest member and the sum. #}
{% test margins_reconcile(model) %}
{%- if execute %}
{%- set publication = graph.nodes['model.deid.' ~ model.identifier].config.meta.publication %}
{%- for dimension, declared in publication.dimensions.items() if declared.total %}
{%- set total = "'" ~ declared.total | replace("'", "''") ~ "'" %}
{%- set others = publication.dimensions.keys() | reject('equalto', dimension) | list %}
{%- for figure, declared_figure in publication.figures.items() %}
{{ 'union all' if not loop.first }}
select 1 as failure
from (
    select
        count(*) filter (where {{ dimension }} = {{ total }}) as margins,
        coalesce(sum({{ figure }}) filter (where {{ dimension }} = {{ total }}), 0) as margin,
        coalesce(sum({{ figure }}) filter (where {{ dimension }} <> {{ total }}), 0) as members,
        coalesce(max({{ figure }}) filter (where {{ dimension }} <> {{ total }}), 0) as largest
    from {{ model }}
    group by {{ others | join(', ') }}
)
where
    margins <> 1
    {%- if figure == declared_figure.people %}
    or margin not between largest and members
    {%- else %}
    or margin <> members
    {%- endif %}
{%- endfor %}
{{ 'union all' if not loop.last }}
{%- endfor %}
{%- endif %}
{% endtest %}

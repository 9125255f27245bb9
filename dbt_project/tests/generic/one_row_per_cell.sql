{# Every combination of the publication's dimensions has exactly one row: nothing is doubled, and a
   cell in which nobody was counted is shown as zero instead of being left out. #}
{% test one_row_per_cell(model) %}
{%- if execute %}
{%- set publication = graph.nodes['model.deid.' ~ model.identifier].config.meta.publication %}
{%- set dimensions = publication.dimensions.keys() | list %}
with cells as (
    select {{ dimensions | join(', ') }}, count(*) as row_count
    from {{ model }}
    group by all
),

grid as (
    select
        {%- for dimension in dimensions %}
        count(distinct {{ dimension }}){{ ' *' if not loop.last }}
        {%- endfor %} as cell_count
    from {{ model }}
)

select 1 as failure
from cells
where row_count <> 1
union all
select 1 as failure
from grid
where cell_count <> (select count(*) from cells)
{%- endif %}
{% endtest %}

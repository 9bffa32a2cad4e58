with

loads as (
    select * from {{ ref('stg_quality__loads') }}
),

versions as (
    select * from {{ ref('int_documents_versioned') }}
),

current_lines as (
    select * from {{ ref('int_sales_lines_identified') }}
),

settings as (
    select * from {{ ref('stg_company__settings') }}
),

current_rows as (
    select
        'sales_list' as source,
        'lines' as table_name,
        load_id,
        count(customer_id) as customer_rows,
        count(unmatched_reason) as unmatched_rows
    from current_lines
    where source = 'sales_list'
    group by load_id
),

other_rows as (
    select
        'sales_list' as source,
        'lines' as table_name,
        versions.load_id,
        sum(case when versions.is_superseded then versions.line_count end) as superseded_rows,
        sum(case
            when not versions.is_superseded and versions.invoiced_on >= settings.as_of
                then versions.line_count
        end) as later_rows
    from versions
    cross join settings
    where versions.source = 'sales_list'
    group by versions.load_id
),

final as (
    select
        loads.source,
        loads.table_name,
        loads.load_id,
        loads.file_name,
        loads.verdict,
        loads.landed_rows,
        loads.accepted_rows,
        loads.quarantined_rows,
        case when loads.source = 'sales_list' then coalesce(current_rows.customer_rows, 0) end
            as customer_rows,
        case when loads.source = 'sales_list' then coalesce(current_rows.unmatched_rows, 0) end
            as unmatched_rows,
        case
            when loads.source = 'sales_list'
                then cast(coalesce(other_rows.superseded_rows, 0) as bigint)
        end as superseded_rows,
        case
            when loads.source = 'sales_list'
                then cast(coalesce(other_rows.later_rows, 0) as bigint)
        end as later_rows
    from loads
    left join current_rows
        on
            loads.source = current_rows.source
            and loads.table_name = current_rows.table_name
            and loads.load_id = current_rows.load_id
    left join other_rows
        on
            loads.source = other_rows.source
            and loads.table_name = other_rows.table_name
            and loads.load_id = other_rows.load_id
)

select * from final

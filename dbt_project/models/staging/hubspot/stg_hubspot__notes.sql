with

notes as (
    {{ current_records(source('raw_hubspot', 'notes'), ['id']) }}
),

final as (
    select
        id as note_id,
        {{ plain_text('hs_note_body') }} as body,
        {{ parse_timestamp('hs_timestamp') }} as noted_at,
        {{ cleaned_text('hubspot_owner_id') }} as owner_id,
        {{ parse_timestamp('hs_createdate') }} as created_at,
        {{ parse_timestamp('hs_lastmodifieddate') }} as updated_at,
        _load_id as load_id
    from notes
)

select * from final
